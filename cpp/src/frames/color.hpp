// Which matrix and range a picture's YUV samples have.
#pragma once

#include "ffmpeg/handles.hpp"
#include "frames/kernels.hpp"

namespace deepsport {

/// The matrix of a picture; unspecified ones are BT.601, limited range, as in FFmpeg.
/// `depth`: bits of its samples.
/// `otherwise` (ITU-T H.273) where the picture does not say. @throws Error kUnsupported.
ColorMatrix color_matrix(const AVFrame& frame, int depth, int otherwise = AVCOL_SPC_UNSPECIFIED);

/// Brings the largest sample of `depth` bits, widened, to 255 << 6; with kGainBits.
std::int32_t full_scale_gain(int depth);

}  // namespace deepsport
