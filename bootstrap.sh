#!/usr/bin/env bash
# From a bare Debian or Ubuntu machine to a running demo or a full test run:
#   ./bootstrap.sh demo    install what is missing, build, then show the whole idea; prints the report's path
#   ./bootstrap.sh tests   the same set-up, then lint, types, C++ and Python tests, wheel
# Anything after the word is handed to the session, e.g. ./bootstrap.sh demo --out DIR --seed 1
# Safe to run again: takes seconds when everything is in place.
set -euo pipefail
cd "$(dirname "$0")"

usage() { sed -n '2,6s/^# \{0,1\}//p' "$0"; }
stop() { echo "bootstrap: $1" >&2; exit 1; }

case "${1:-}" in
  demo | tests) session=$1; shift ;;
  -h | --help) usage; exit 0 ;;
  *) usage >&2; exit 2 ;;
esac

# --- Debian packages: what is missing, by what it is needed for ---------------------------------
missing=()
need_package() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed' || missing+=("$1"); }
python=${PYTHON:-python3}
if ! command -v "$python" >/dev/null; then missing+=(python3 python3-venv)
elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then missing+=(python3-venv)
fi
if command -v "$python" >/dev/null && ! "$python" -c "import sysconfig, pathlib, sys
sys.exit(not pathlib.Path(sysconfig.get_paths()['include'], 'Python.h').exists())"; then
  missing+=(python3-dev)
fi
command -v g++ >/dev/null || command -v clang++ >/dev/null || missing+=(g++)
command -v pkg-config >/dev/null || missing+=(pkg-config)
command -v git >/dev/null || missing+=(git)
if command -v dpkg-query >/dev/null; then
  for package in libavformat-dev libavcodec-dev libavutil-dev libswscale-dev; do
    pkg-config --exists "${package%-dev}" 2>/dev/null || need_package "$package"
  done
  if [ "$session" = tests ]; then
    need_package libgtest-dev
    command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium chromium-driver)
    command -v ffmpeg >/dev/null || missing+=(ffmpeg)
  fi
elif ! pkg-config --exists libavformat libavcodec libavutil libswscale 2>/dev/null; then
  stop "FFmpeg 5.1 or newer with its development files is needed (pkg-config finds no libavformat)"
fi
if [ ${#missing[@]} -gt 0 ]; then
  install="apt-get install -y ${missing[*]}"
  if [ "$(id -u)" = 0 ]; then as_root=()
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root=(sudo)
  elif command -v sudo >/dev/null && [ -t 0 ]; then as_root=(sudo)
  else stop "these packages are missing and there are no rights to install them: ${missing[*]}
Run this as root, then ./bootstrap.sh again:  $install"
  fi
  command -v apt-get >/dev/null || stop "these packages are missing, and this is no Debian: ${missing[*]}"
  echo "bootstrap: installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  stop "Python 3.11 or newer is needed, $("$python" --version) found; set PYTHON=/path/to/python3.11"

# --- nox, which does the rest -------------------------------------------------------------------
if [ ! -x .venv/bin/nox ]; then
  echo "bootstrap: making .venv with nox"
  "$python" -m venv .venv
  .venv/bin/python -m pip install -q --disable-pip-version-check 'nox>=2024.4.15'
fi
if [ $# -gt 0 ]; then exec .venv/bin/nox -s "$session" -- "$@"; fi
exec .venv/bin/nox -s "$session"
