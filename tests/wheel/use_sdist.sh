#!/usr/bin/env bash
# Install the sdist into an empty environment as a reader of docs/wheels.md would, and use it there.
#   use_sdist.sh SDIST CLIP    with use_wheel.py in the same folder
set -euo pipefail
python3 -m venv sdist-venv
sdist-venv/bin/python -m pip install -q --no-binary deepsport "$1[cli]"
sdist-venv/bin/python use_wheel.py "$2"
