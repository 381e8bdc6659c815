#include "cuda/resample.hpp"

#include <algorithm>

#include "frames/axis.hpp"
#include "frames/color.hpp"

namespace deepsport::pixel {

static_assert(kWeightBits == deepsport::kWeightBits && kSampleBits == deepsport::kSampleBits &&
                  kColorBits == deepsport::kGainBits,
              "the CPU path and the kernels compute with the same numbers of bits");

// The CPU path pads its rows for vectors; here every tap costs, and none may reach outside.
Taps picture_taps(int input, int output, int subsampling) {
  const int samples = (input + (1 << subsampling) - 1) >> subsampling;
  const deepsport::Axis axis = make_axis(input, output, subsampling, samples);
  const auto padded = static_cast<std::size_t>(axis.taps);
  const std::size_t rows = axis.first.size();
  std::vector<std::size_t> begin(rows), end(rows);
  std::size_t most = 1;
  for (std::size_t i = 0; i < rows; ++i) {
    const std::int16_t* row = &axis.weights[i * padded];
    end[i] = static_cast<std::size_t>(axis.count[i]);
    while (begin[i] + 1 < end[i] && row[begin[i]] == 0) ++begin[i];
    while (begin[i] + 1 < end[i] && row[end[i] - 1] == 0) --end[i];
    most = std::max(most, end[i] - begin[i]);
  }
  Taps table;
  table.taps = static_cast<std::int32_t>(most);
  table.weights.assign(rows * most, 0);
  for (std::size_t i = 0; i < rows; ++i) {
    const int wanted = axis.first[i] + static_cast<int>(begin[i]);
    const int first = std::min(wanted, samples - static_cast<int>(most));
    table.first.push_back(first);
    std::copy(&axis.weights[i * padded + begin[i]], &axis.weights[i * padded] + end[i],
              &table.weights[i * most + static_cast<std::size_t>(wanted - first)]);
  }
  return table;
}

YuvToRgb yuv_to_rgb(int matrix_coefficients, bool full_range, int depth) {
  const ffmpeg::FramePtr frame = ffmpeg::make_frame();
  frame->colorspace = static_cast<AVColorSpace>(matrix_coefficients);
  frame->color_range = full_range ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
  frame->format = AV_PIX_FMT_YUV420P;
  const ColorMatrix matrix = color_matrix(*frame, depth);
  return {matrix.y_gain,           matrix.r_v, matrix.g_u, matrix.g_v, matrix.b_u, matrix.y_offset,
          128 << (kSampleBits - 8)};
}

}  // namespace deepsport::pixel
