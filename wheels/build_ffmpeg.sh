#!/usr/bin/env bash
# Build the FFmpeg that goes into the wheel: decoders only, LGPL 2.1 or later, shared, with names and symbol
# versions of its own so that it lives beside any other FFmpeg in the process (PyAV, OpenCV, torchcodec).
#
#   wheels/build_ffmpeg.sh PREFIX        install into PREFIX; does nothing when PREFIX is up to date
#
# The source is Debian's package, fetched and verified by apt; needs apt, dpkg-dev, nasm, libdav1d-dev,
# zlib1g-dev. DEEPSPORT_FFMPEG_SOURCE=DIR uses an unpacked source tree instead.
set -euo pipefail

[ $# -eq 1 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
prefix=$(cd "$1" && pwd)
stamp=$prefix/built-by
if cmp -s "$0" "$stamp"; then echo "FFmpeg in $prefix is up to date"; exit 0; fi
for tool in nasm pkg-config make cc; do
  command -v "$tool" >/dev/null || { echo "build_ffmpeg: $tool is missing" >&2; exit 1; }
done
pkg-config --exists dav1d || { echo "build_ffmpeg: libdav1d-dev is missing" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
if [ -n "${DEEPSPORT_FFMPEG_SOURCE:-}" ]; then
  cp -r "$DEEPSPORT_FFMPEG_SOURCE" source
  origin="a source tree given by hand"
else
  # The machine's own package sources, asked for source packages; its configuration stays as it is.
  mkdir -p lists/partial parts
  for list in /etc/apt/sources.list.d/*.sources; do
    [ -e "$list" ] && sed 's/^Types:.*/Types: deb-src/' "$list" > "parts/$(basename "$list")"
  done
  for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -e "$list" ] && sed -n 's/^deb \(.*\)/deb-src \1/p' "$list" > "parts/$(basename "$list" .list).list"
  done
  apt=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/parts"
       -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=)
  mkdir -p cache/archives/partial
  apt-get "${apt[@]}" -qq update
  apt-get "${apt[@]}" -qq source ffmpeg >/dev/null
  origin="Debian source package $(basename ffmpeg_*.dsc .dsc)"
  mv ffmpeg-*/ source
fi

cd source
# A symbol version of our own: a reference from our library can only be bound to our FFmpeg.
for library in avcodec avformat avutil swscale; do
  sed -i "s/^LIB/DEEPSPORT_LIB/" "lib$library/lib$library.v"
done
decoders=h264,hevc,vp8,vp9,vp6,vp6f,libdav1d,mpeg1video,mpeg2video,mpeg4,msmpeg4v1,msmpeg4v2,msmpeg4v3,h263,h263p
decoders+=,flv,wmv1,wmv2,wmv3,vc1,mjpeg,theora,cinepak,svq1,svq3,prores,dnxhd,dvvideo,ffv1,huffyuv,ffvhuff,rawvideo,png
demuxers=mov,matroska,mpegts,mpegps,mpegvideo,avi,flv,asf,ogg,h264,hevc,ivf,dv,m4v
parsers=h264,hevc,vp8,vp9,av1,mpeg4video,mpegvideo,mjpeg,h263,vc1,dvd_nav,aac,ac3,mpegaudio,png
filters=h264_mp4toannexb,hevc_mp4toannexb,vp9_superframe,vp9_superframe_split,av1_frame_split,av1_frame_merge
filters+=,extract_extradata,mpeg4_unpack_bframes,vp9_raw_reorder,null
options=(--disable-everything --disable-autodetect --disable-programs --disable-doc --disable-debug
  --disable-avdevice --disable-avfilter --disable-postproc --disable-swresample --disable-network
  --enable-shared --disable-static --enable-pic --build-suffix=-deepsport --enable-zlib --enable-libdav1d
  --enable-decoder="$decoders" --enable-demuxer="$demuxers" --enable-parser="$parsers" --enable-bsf="$filters"
  --enable-protocol=file)
./configure --prefix="$prefix" "${options[@]}" > configure.log 2>&1 || { tail -20 configure.log >&2; exit 1; }
grep -q '^License: LGPL version 2.1 or later' configure.log || { echo "build_ffmpeg: not an LGPL build" >&2; exit 1; }
nice -n 10 make -j2 > make.log 2>&1 || { grep -m 20 -i error make.log >&2; exit 1; }
make install >> make.log 2>&1

notices=$prefix/share/deepsport-ffmpeg
mkdir -p "$notices"
cp COPYING.LGPLv2.1 LICENSE.md "$notices/"
for copyright in /usr/share/doc/libdav1d-dev/copyright; do
  if [ -e "$copyright" ]; then cp "$copyright" "$notices/dav1d-copyright"; fi
done
{
  echo "FFmpeg $(cat RELEASE), LGPL 2.1 or later, unmodified but for the names of its symbol versions."
  echo "Source: $origin."
  echo "Built by wheels/build_ffmpeg.sh of deepsport with:"
  printf '  configure'; printf ' %q' "${options[@]}"; echo
  echo "The libraries are linked dynamically and may be replaced by a build of your own with the same options."
  echo "dav1d: BSD 2-Clause, the library of the distribution that the wheel was built on."
} > "$notices/NOTICE"
cp "$here/$(basename "$0")" "$stamp"
echo "FFmpeg $(cat RELEASE) installed in $prefix: $(du -cLh "$prefix"/lib/lib*-deepsport.so | tail -1 | cut -f1)"
