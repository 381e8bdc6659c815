#include "cuda/resample.hpp"

#include <algorithm>
#include <cmath>

namespace deepsport::pixel {
namespace {

// Keys' cubic with a = -0.5, the one Pillow and torchvision's antialiased resize use.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

// Round so that the sum is exact: what rounding left over goes to the heaviest tap, where it is the
// smallest relative change.
void quantise(const std::vector<double>& exact, std::int16_t* weights) {
  constexpr int kOne = 1 << kWeightBits;
  double sum = 0;
  for (const double weight : exact) sum += weight;
  int total = 0;
  std::size_t heaviest = 0;
  for (std::size_t k = 0; k < exact.size(); ++k) {
    weights[k] = static_cast<std::int16_t>(std::lround(exact[k] / sum * kOne));
    total += weights[k];
    if (weights[k] > weights[heaviest]) heaviest = k;
  }
  weights[heaviest] = static_cast<std::int16_t>(weights[heaviest] + kOne - total);
}

// Drop the taps that weigh nothing in any row: resampling to the same size costs one tap.
Taps trimmed(const Taps& table) {
  const auto width = static_cast<std::size_t>(table.taps);
  const std::size_t rows = table.first.size();
  std::vector<std::size_t> begin(rows), end(rows);
  std::size_t most = 1;
  for (std::size_t i = 0; i < rows; ++i) {
    const std::int16_t* row = &table.weights[i * width];
    begin[i] = 0;
    end[i] = width;
    while (begin[i] + 1 < end[i] && row[begin[i]] == 0) ++begin[i];
    while (begin[i] + 1 < end[i] && row[end[i] - 1] == 0) --end[i];
    most = std::max(most, end[i] - begin[i]);
  }
  Taps result;
  result.taps = static_cast<std::int32_t>(most);
  result.weights.assign(rows * most, 0);
  for (std::size_t i = 0; i < rows; ++i) {
    // A short row at the far edge begins earlier, so that all of its taps stay inside.
    const std::size_t from = std::min(begin[i], width - most);
    result.first.push_back(table.first[i] + static_cast<std::int32_t>(from));
    std::copy_n(&table.weights[i * width + from], most, &result.weights[i * most]);
  }
  return result;
}

}  // namespace

Taps bicubic_taps(std::int32_t source_size, std::int32_t output_size, double scale, double shift) {
  const double stretch = std::max(scale, 1.0), support = 2 * stretch;
  Taps table;
  table.taps = std::min(source_size, static_cast<std::int32_t>(std::ceil(support)) * 2 + 1);
  table.first.resize(static_cast<std::size_t>(output_size));
  table.weights.assign(static_cast<std::size_t>(output_size) * static_cast<std::size_t>(table.taps),
                       0);
  std::vector<double> exact(static_cast<std::size_t>(table.taps));
  for (std::int32_t i = 0; i < output_size; ++i) {
    const double centre = (i + 0.5) * scale - 0.5 + shift;
    // As Pillow does at the border, taps outside of the picture are left out, not clamped.
    const auto lowest = static_cast<std::int32_t>(std::floor(centre - support)) + 1;
    const std::int32_t first = std::clamp(lowest, 0, source_size - table.taps);
    for (std::int32_t k = 0; k < table.taps; ++k)
      exact[static_cast<std::size_t>(k)] = cubic((first + k - centre) / stretch);
    table.first[static_cast<std::size_t>(i)] = first;
    quantise(exact,
             &table.weights[static_cast<std::size_t>(i) * static_cast<std::size_t>(table.taps)]);
  }
  return trimmed(table);
}

PictureTaps picture_taps(std::int32_t width, std::int32_t height, std::int32_t output_width,
                         std::int32_t output_height, int shift_x, int shift_y, ChromaSite site) {
  const double scale_x = static_cast<double>(width) / output_width;
  const double scale_y = static_cast<double>(height) / output_height;
  const double step_x = 1 << shift_x, step_y = 1 << shift_y;
  // A chroma sample j lies at luma position step * j + offset; centred means offset (step - 1) / 2.
  const double offset_x = site == ChromaSite::kCentre ? (step_x - 1) / 2 : 0;
  const double offset_y = site == ChromaSite::kTopLeft ? 0 : (step_y - 1) / 2;
  // Luma position p is chroma position (p - offset) / step; p = (i + 0.5) * scale - 0.5.
  const auto shift = [](double step, double offset) { return 0.5 - (0.5 + offset) / step; };
  const std::int32_t chroma_width = (width + (1 << shift_x) - 1) >> shift_x;
  const std::int32_t chroma_height = (height + (1 << shift_y) - 1) >> shift_y;
  return {bicubic_taps(width, output_width, scale_x, 0),
          bicubic_taps(height, output_height, scale_y, 0),
          bicubic_taps(chroma_width, output_width, scale_x / step_x, shift(step_x, offset_x)),
          bicubic_taps(chroma_height, output_height, scale_y / step_y, shift(step_y, offset_y))};
}

YuvToRgb yuv_to_rgb(int matrix_coefficients, bool full_range, int depth) {
  double red = 0.299, blue = 0.114;  // BT.601: codes 5, 6 and what is unspecified
  switch (matrix_coefficients) {
    case 1: red = 0.2126, blue = 0.0722; break;  // BT.709
    case 4: red = 0.30, blue = 0.11; break;      // FCC
    case 7: red = 0.212, blue = 0.087; break;    // SMPTE 240M
    case 9:
    case 10: red = 0.2627, blue = 0.0593; break;  // BT.2020
    default: break;
  }
  const double green = 1 - red - blue;
  // Reference levels in units of 14 bits; full range ends at the largest stored sample.
  const double unit = 1 << (kSampleBits - 8), widen_by = 1 << (kSampleBits - depth);
  const double largest = ((1 << depth) - 1) * widen_by;
  const double luma = full_range ? 255 * unit / largest : 255.0 / 219;
  const double chroma = full_range ? 255 * unit / largest : 255.0 / 224;
  const auto fixed = [](double value) {
    return static_cast<std::int32_t>(std::lround(value * (1 << kColorBits)));
  };
  YuvToRgb k{};
  k.luma = fixed(luma);
  k.red_cr = fixed(2 * (1 - red) * chroma);
  k.green_cb = fixed(-2 * blue * (1 - blue) / green * chroma);
  k.green_cr = fixed(-2 * red * (1 - red) / green * chroma);
  k.blue_cb = fixed(2 * (1 - blue) * chroma);
  k.luma_offset = full_range ? 0 : 16 << (kSampleBits - 8);
  k.chroma_offset = 128 << (kSampleBits - 8);
  return k;
}

}  // namespace deepsport::pixel
