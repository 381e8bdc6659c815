// The numbers a picture is resampled and coloured with, in the form the kernels read them. They are
// the CPU path's own (frames/axis.hpp, frames/color.hpp), so that both paths give the same bits.
#pragma once

#include <cstdint>
#include <vector>

#include "cuda/pixel.hpp"

namespace deepsport::pixel {

/// Weights of one axis: output i is the sum of weights[i * taps + k] * sample[first[i] + k].
/// Every first[i] + k lies inside of the source; surplus taps weigh 0; a row sums to 1 << 14.
struct Taps {
  std::int32_t taps = 0;
  std::vector<std::int32_t> first;
  std::vector<std::int16_t> weights;
};

/// `input` pixels of the picture to `output`, for a plane with one sample in 2^subsampling pixels.
/// The same size costs one tap of weight 1.
Taps picture_taps(int input, int output, int subsampling);

/// Matrix by its H.273 code; 2 (unspecified) and unknown codes mean BT.601.
YuvToRgb yuv_to_rgb(int matrix_coefficients, bool full_range, int depth);

}  // namespace deepsport::pixel
