#!/usr/bin/env bash
# Keeps the fake honest: FFmpeg's own NVDEC decoders (*_cuvid), proven on real hardware for years,
# decode through the fake libraries in folder $1, and must give the pictures and times of FFmpeg's
# software decoders. Exit 77 where this ffmpeg has no cuvid decoders. Clips are made in folder $2.
set -euo pipefail
fake=$1 work=$2
mkdir -p "$work"
run() { ffmpeg -nostdin -hide_banner -loglevel error -y "$@"; }
decoders=$(ffmpeg -hide_banner -decoders 2>/dev/null || true)
if [[ $decoders != *h264_cuvid* ]]; then
  echo "skipped: this ffmpeg has no cuvid decoders"
  exit 77
fi
"$(dirname "$0")/make_clips.sh" "$work"
frames() { grep -v '^#' "$1" | awk -F, '{print $3, $6}'; }
status=0
while read -r clip hardware software pixels; do
  FAKE_NVDEC_CYCLE=1 LD_LIBRARY_PATH=$fake run -c:v "$hardware" -i "$work/$clip" \
    -fps_mode passthrough -pix_fmt "$pixels" -f framemd5 "$work/fake.md5"
  run -c:v "$software" -i "$work/$clip" -fps_mode passthrough -pix_fmt "$pixels" -f framemd5 "$work/true.md5"
  if cmp -s <(frames "$work/fake.md5") <(frames "$work/true.md5"); then
    echo "$clip: $(frames "$work/true.md5" | wc -l) frames by $hardware on the fake are those of $software"
  else
    echo "$clip: frames by $hardware on the fake differ from those of $software"
    status=1
  fi
done <<'CLIPS'
h264.mp4 h264_cuvid h264 nv12
hevc.mp4 hevc_cuvid hevc p010le
vp9.webm vp9_cuvid vp9 nv12
av1.mp4 av1_cuvid libdav1d nv12
CLIPS
exit $status
