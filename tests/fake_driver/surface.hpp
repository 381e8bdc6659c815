// Output surfaces of the fake decoder: their shape, and a decoded picture laid out as NVDEC does.
#pragma once

#include <ffnvcodec/dynlink_cuda.h>
#include <ffnvcodec/dynlink_cuviddec.h>

#include <cstdint>
#include <memory>

extern "C" {
#include <libavutil/frame.h>
}

namespace fake {

constexpr int kPoison = 0xA7;  // what a surface holds once it is unmapped

using Frame = std::shared_ptr<AVFrame>;
inline Frame reference(AVFrame* frame) {
  return Frame(av_frame_clone(frame), [](AVFrame* gone) { av_frame_free(&gone); });
}

int depth_of(AVPixelFormat format);
bool is_444(AVPixelFormat format);

struct SurfaceShape {
  SurfaceShape() = default;
  explicit SurfaceShape(const CUVIDDECODECREATEINFO& info);
  unsigned width = 0, height = 0;
  unsigned pitch = 0;  // bytes; wider than the picture, as on hardware
  unsigned rows = 0;   // of the luma plane: the height, made even
  bool sixteen_bits = false, planar = false;
  std::size_t bytes = 0;
};

/// Samples of more than 8 bits are stored in the high bits of 16, as in P010 and P016.
void write_surface(const AVFrame& picture, const SurfaceShape& shape, std::uint8_t* memory);

}  // namespace fake
