// Owners of FFmpeg objects; the only file that names their free functions.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>
#include <libavutil/frame.h>
#include <libswscale/swscale.h>
}

#include <memory>
#include <new>

namespace deepsport::ffmpeg {

struct Free {
  void operator()(AVFormatContext* p) const noexcept {
    avformat_close_input(&p);
  }
  void operator()(AVCodecContext* p) const noexcept {
    avcodec_free_context(&p);
  }
  void operator()(AVCodecParameters* p) const noexcept {
    avcodec_parameters_free(&p);
  }
  void operator()(AVPacket* p) const noexcept {
    av_packet_free(&p);
  }
  void operator()(AVBSFContext* p) const noexcept {
    av_bsf_free(&p);
  }
  void operator()(AVFrame* p) const noexcept {
    av_frame_free(&p);
  }
  void operator()(SwsContext* p) const noexcept {
    sws_freeContext(p);
  }
  void operator()(AVIOContext* p) const noexcept {
    av_freep(&p->buffer);
    avio_context_free(&p);
  }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;
using FormatPtr = Owned<AVFormatContext>;
using CodecPtr = Owned<AVCodecContext>;
using ParametersPtr = Owned<AVCodecParameters>;
using FilterPtr = Owned<AVBSFContext>;
using PacketPtr = Owned<AVPacket>;
using FramePtr = Owned<AVFrame>;
using ScalerPtr = Owned<SwsContext>;
using IoPtr = Owned<AVIOContext>;

template <typename T>
T* checked(T* made) {
  if (made == nullptr) throw std::bad_alloc();
  return made;
}
inline PacketPtr make_packet() {
  return PacketPtr(checked(av_packet_alloc()));
}
inline FramePtr make_frame() {
  return FramePtr(checked(av_frame_alloc()));
}

}  // namespace deepsport::ffmpeg
