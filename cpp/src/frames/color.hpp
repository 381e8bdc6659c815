// Which matrix and range a picture's YUV samples have.
#pragma once

#include "ffmpeg/handles.hpp"
#include "frames/kernels.hpp"

namespace deepsport {

/// The matrix of a picture; unspecified ones are BT.601, limited range, as in FFmpeg.
/// `depth`: bits of its samples.
ColorMatrix color_matrix(const AVFrame& frame, int depth);

/// Brings the largest sample of `depth` bits, widened, to 255 << 6; with kGainBits.
std::int32_t full_scale_gain(int depth);

}  // namespace deepsport
