// One displayed pixel of a decoded picture, from its planes to its place in the output: turned,
// resampled, coloured, normalised, stored. Runs on the host and in kernels; loops are elsewhere.
#pragma once

#include "cuda/pixel.hpp"

namespace deepsport::pixel {

/// Planes of a picture, of any layout: semi-planar as NVDEC makes, planar as libavcodec does.
/// The pointers are at the first sample that is displayed.
struct Planes {
  const std::uint8_t* luma;
  const std::uint8_t* cb;
  const std::uint8_t* cr;
  std::int64_t luma_pitch, chroma_pitch;  ///< bytes from row to row
  std::int32_t chroma_step;               ///< samples from one Cb to the next: 2 when interleaved
  std::int32_t sample_bytes;              ///< 1, or 2 in the host's byte order
  std::int32_t padding_bits;  ///< low bits of a 16-bit sample that are not part of it: 6 in P010
  std::int32_t depth;         ///< bits of a sample
};

/// Taps of resample.hpp where the code runs.
struct Axis {
  const std::int32_t* first;
  const std::int16_t* weights;
  std::int32_t taps;
  std::int32_t unused;
};

enum class Element : std::int32_t { kUint8, kFloat32, kBfloat16, kFloat16 };

/// Where a picture goes. Strides count elements.
struct Target {
  void* base;
  std::int64_t row, pixel, channel;
  std::int64_t frame;  ///< which picture of the patches this is; unused otherwise
  PatchGrid grid;      ///< grid.patch == 0: strided pictures, not patches
  Element element;
  float mean[3], deviation[3];  ///< unused by kUint8
};

struct Picture {
  Planes planes;
  Axis luma_x, luma_y, chroma_x, chroma_y;
  YuvToRgb color;
  Turn turn;
  std::int32_t width, height;  ///< as displayed, of the output
  Target target;
};

DEEPSPORT_HD std::int32_t sample_at(const Planes& planes, const std::uint8_t* row,
                                    std::int32_t column) {
  return planes.sample_bytes == 1
             ? row[column]
             : reinterpret_cast<const std::uint16_t*>(row)[column] >> planes.padding_bits;
}

/// A resampled sample: columns first, each rounded to 14 bits, then the row of them. The CPU path
/// computes a row of columns once and shares it; here each pixel computes its own, which needs no
/// memory between threads and gives the same bits.
DEEPSPORT_HD std::int32_t resampled(const Planes& planes, const std::uint8_t* plane,
                                    std::int64_t pitch, std::int32_t step, const Axis& across,
                                    const Axis& down, std::int32_t x, std::int32_t y) {
  const std::int16_t* weights_x = across.weights + static_cast<std::int64_t>(x) * across.taps;
  const std::int16_t* weights_y = down.weights + static_cast<std::int64_t>(y) * down.taps;
  const std::uint8_t* first_row = plane + down.first[y] * pitch;
  const std::int32_t first_column = across.first[x] * step;
  std::int32_t row_sum = 0;
  for (std::int32_t i = 0; i < across.taps; ++i) {
    const std::uint8_t* row = first_row;
    std::int32_t column_sum = 0;
    for (std::int32_t j = 0; j < down.taps; ++j, row += pitch)
      column_sum += weights_y[j] * sample_at(planes, row, first_column + i * step);
    row_sum += weights_x[i] * weighted(column_sum, planes.depth);
  }
  return weighted(row_sum, kSampleBits);
}

DEEPSPORT_HD void store(const Target& target, std::int32_t x, std::int32_t y, std::int32_t channel,
                        std::uint8_t value) {
  const std::int64_t place = target.grid.patch != 0
                                 ? patch_place(target.grid, target.frame, x, y, channel)
                                 : channel * target.channel + y * target.row + x * target.pixel;
  if (target.element == Element::kUint8) {
    static_cast<std::uint8_t*>(target.base)[place] = value;
    return;
  }
  const float number = normalise(value, target.mean[channel], target.deviation[channel]);
  if (target.element == Element::kFloat32) {
    static_cast<float*>(target.base)[place] = number;
  } else {
    static_cast<std::uint16_t*>(target.base)[place] =
        target.element == Element::kBfloat16 ? to_bfloat16(number) : to_float16(number);
  }
}

/// The displayed pixel (x, y) of the output.
DEEPSPORT_HD void make_pixel(const Picture& picture, std::int32_t x, std::int32_t y) {
  std::int32_t sx = 0, sy = 0;
  stored_place(picture.turn, picture.width, picture.height, x, y, &sx, &sy);
  const Planes& planes = picture.planes;
  const std::int32_t luma =
      resampled(planes, planes.luma, planes.luma_pitch, 1, picture.luma_x, picture.luma_y, sx, sy);
  const std::int32_t cb = resampled(planes, planes.cb, planes.chroma_pitch, planes.chroma_step,
                                    picture.chroma_x, picture.chroma_y, sx, sy);
  const std::int32_t cr = resampled(planes, planes.cr, planes.chroma_pitch, planes.chroma_step,
                                    picture.chroma_x, picture.chroma_y, sx, sy);
  const Rgb rgb = to_rgb(picture.color, luma, cb, cr);
  store(picture.target, x, y, 0, rgb.r);
  store(picture.target, x, y, 1, rgb.g);
  store(picture.target, x, y, 2, rgb.b);
}

/// Displayed RGB pixels, rows of three bytes, on their way to another layout.
struct Layout {
  const std::uint8_t* rgb;
  std::int32_t width, height;
  Target target;
};

DEEPSPORT_HD void lay_out(const Layout& layout, std::int32_t x, std::int32_t y) {
  const std::uint8_t* pixel = layout.rgb + 3 * (static_cast<std::int64_t>(y) * layout.width + x);
  for (std::int32_t channel = 0; channel < 3; ++channel)
    store(layout.target, x, y, channel, pixel[channel]);
}

}  // namespace deepsport::pixel
