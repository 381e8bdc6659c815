#include "deepsport/build.hpp"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/avutil.h>
}

namespace deepsport {

BuildFacts build_facts() {
  BuildFacts facts;
  facts.ffmpeg = av_version_info();
  facts.ffmpeg_license = avcodec_license();
  // The codecs of the data sources we know, newest first.
  constexpr AVCodecID kCodecs[] = {AV_CODEC_ID_AV1,   AV_CODEC_ID_VP9,        AV_CODEC_ID_HEVC,
                                   AV_CODEC_ID_H264,  AV_CODEC_ID_VP8,        AV_CODEC_ID_MPEG4,
                                   AV_CODEC_ID_MJPEG, AV_CODEC_ID_MPEG2VIDEO, AV_CODEC_ID_WMV3};
  for (const AVCodecID codec : kCodecs) {
    const AVCodec* decoder = avcodec_find_decoder(codec);
    const std::string name = avcodec_get_name(codec);
    if (decoder == nullptr) {
      facts.missing_decoders.push_back(name);
    } else {
      facts.decoders.push_back(decoder->name == name ? name : name + " (" + decoder->name + ")");
    }
  }
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") != 0) facts.instruction_sets.emplace_back("AVX2");
  if (__builtin_cpu_supports("avx512bw") != 0) facts.instruction_sets.emplace_back("AVX-512");
#elif defined(__aarch64__)
  facts.instruction_sets.emplace_back("NEON");
#endif
  return facts;
}

}  // namespace deepsport
