#!/usr/bin/env bash
# Makes the clips of the CUDA tests in folder $1: a second each, kept when they are there already.
# With MAY_LACK=1, clips that this ffmpeg has no encoder for are left out.
set -euo pipefail
mkdir -p "$1"
cd "$1"
source_of() { echo "-f lavfi -i testsrc2=size=$1:rate=25:duration=${2:-1}"; }
make() {
  local name=$1
  shift
  [ -f "$name" ] && return
  # shellcheck disable=SC2068
  if ffmpeg -nostdin -hide_banner -loglevel error -y $@ "making.${name##*.}"; then
    mv "making.${name##*.}" "$name"
  elif [ -n "${MAY_LACK-}" ]; then
    echo "left out: $name"
  else
    return 1
  fi
}
x264="-c:v libx264 -preset fast -pix_fmt yuv420p"
make h264.mp4 "$(source_of 352x270 2)" "$x264" -g 12 -bf 3 -b_strategy 0 -colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv
make open_gop.mp4 "$(source_of 320x180 2)" "$x264" -x264-params open-gop=1:keyint=12:bframes=3
make h264.ts "$(source_of 320x180)" "$x264" -g 12 -bf 2
make full_range.mp4 "$(source_of 160x96)" -c:v libx264 -preset ultrafast -pix_fmt yuvj420p
make hevc.mp4 "$(source_of 320x200)" -c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=12:bframes=3 -pix_fmt yuv420p10le
make hevc444.mp4 "$(source_of 320x200 0.4)" -c:v libx265 -preset ultrafast -x265-params log-level=error -pix_fmt yuv444p
make hevc444_10.mp4 "$(source_of 320x200 0.4)" -c:v libx265 -preset ultrafast -x265-params log-level=error -pix_fmt yuv444p10le
make small.mp4 "$(source_of 96x64 0.4)" -c:v libx265 -preset ultrafast -x265-params log-level=error -pix_fmt yuv420p
make vp9.webm "$(source_of 320x240)" -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 300k -auto-alt-ref 1 -lag-in-frames 16 -g 12
make av1.mp4 "$(source_of 320x240)" -c:v libaom-av1 -usage realtime -cpu-used 8 -g 12 -b:v 300k
make vp9_10.webm "$(source_of 320x240 0.5)" -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 300k -g 12 -pix_fmt yuv420p10le
make av1_10.mp4 "$(source_of 320x240 0.5)" -c:v libaom-av1 -usage realtime -cpu-used 8 -g 12 -b:v 300k -pix_fmt yuv420p10le
make odd.webm "$(source_of 322x242 0.4)" -vf crop=321:241:exact=1,format=yuv420p -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 300k
make odd.mp4 "$(source_of 322x242 0.4)" -vf crop=321:241:exact=1,format=yuv420p -c:v libaom-av1 -usage realtime -cpu-used 8 -b:v 300k
make interlaced.mp4 "$(source_of 320x240 0.5)" "$x264" -flags +ildct+ilme -x264-params tff=1
make h264_10.mp4 "$(source_of 320x240 0.5)" -c:v libx264 -preset ultrafast -pix_fmt yuv420p10le
make mpeg4.avi "$(source_of 160x120 0.4)" -c:v mpeg4 -q:v 3
[ -f turned.mp4 ] || [ ! -f h264.mp4 ] || ffmpeg -nostdin -hide_banner -loglevel error -y -display_rotation 90 -i h264.mp4 -c copy turned.mp4 2>/dev/null ||
  ffmpeg -nostdin -hide_banner -loglevel error -y -i h264.mp4 -c copy -metadata:s:v rotate=90 turned.mp4
# Two depths in one stream, and two sizes: a transport stream behind another.
if [ ! -f depths.ts ]; then
  make eight.ts "$(source_of 320x240 0.4)" -c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=5 -pix_fmt yuv420p
  make ten.ts "$(source_of 320x240 0.4)" -c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=5 -pix_fmt yuv420p10le -output_ts_offset 0.56
  if [ -f eight.ts ] && [ -f ten.ts ]; then cat eight.ts ten.ts > depths.ts; fi
fi
if [ ! -f change.ts ]; then
  make one.ts "$(source_of 320x240 0.4)" "$x264" -g 5
  make two.ts "$(source_of 400x304 0.4)" "$x264" -g 5 -output_ts_offset 0.56
  if [ -f one.ts ] && [ -f two.ts ]; then cat one.ts two.ts > change.ts; fi
fi
