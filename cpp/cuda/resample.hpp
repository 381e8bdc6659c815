// The numbers a picture is resampled and coloured with: tables of antialiased bicubic weights, and
// the colour matrix of a stream. Host only, computed once per stream and size; pixel.hpp uses them.
#pragma once

#include <cstdint>
#include <vector>

#include "cuda/pixel.hpp"

namespace deepsport::pixel {

/// Weights of one axis: output i is the sum of weights[i * taps + k] * sample[first[i] + k].
/// Every first[i] + k lies inside of the source; unused taps weigh 0; each row sums to 1 << 14.
struct Taps {
  std::int32_t taps = 0;
  std::vector<std::int32_t> first;
  std::vector<std::int16_t> weights;
};

/// Antialiased bicubic (a = -0.5, the kernel stretched when shrinking), as Pillow and torchvision.
/// Output i looks at source position (i + 0.5) * scale - 0.5 + shift, in source samples.
/// `scale` is normally source_size / output_size.
Taps bicubic_taps(std::int32_t source_size, std::int32_t output_size, double scale, double shift);

/// Where chroma samples lie, relative to luma, in the names of H.273.
enum class ChromaSite { kLeft, kCentre, kTopLeft };

/// The four tables of a subsampled picture; `shift_x`, `shift_y`: log2 of the subsampling.
struct PictureTaps {
  Taps luma_x, luma_y, chroma_x, chroma_y;
};
PictureTaps picture_taps(std::int32_t width, std::int32_t height, std::int32_t output_width,
                         std::int32_t output_height, int shift_x, int shift_y, ChromaSite site);

/// Matrix by its H.273 code; 2 (unspecified) and unknown codes mean BT.601.
YuvToRgb yuv_to_rgb(int matrix_coefficients, bool full_range, int depth);

}  // namespace deepsport::pixel
