// The arithmetic of pictures against double precision, the compiler's own half floats and hand
// computed places.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <set>

#include "cuda/pixel.hpp"
#include "cuda/resample.hpp"

namespace deepsport::pixel {
namespace {

struct Matrix {
  int code;
  double red, blue;
};
constexpr Matrix kMatrices[] = {{1, 0.2126, 0.0722}, {6, 0.299, 0.114}, {9, 0.2627, 0.0593}};

TEST(CudaPixel, ColourIsWithinOneLevelOfDoublePrecisionEverywhere) {
  for (const Matrix& m : kMatrices) {
    for (const bool full : {false, true}) {
      for (const int depth : {8, 10}) {
        const YuvToRgb k = yuv_to_rgb(m.code, full, depth);
        const double top = (1 << depth) - 1, unit = 1 << (depth - 8), green = 1 - m.red - m.blue;
        long off_by_one = 0, all = 0;
        const int step = depth == 8 ? 5 : 17;
        for (int y = 0; y <= top; y += step) {
          for (int u = 0; u <= top; u += 2 * step) {
            for (int v = 0; v <= top; v += 2 * step) {
              const double luma = full ? y * 255 / top : (y - 16 * unit) * 255 / (219 * unit);
              const double scale = full ? 255 / top : 255 / (224 * unit);
              const double cb = (u - 128 * unit) * scale, cr = (v - 128 * unit) * scale;
              const double exact[3] = {luma + 2 * (1 - m.red) * cr,
                                       luma - 2 * m.blue * (1 - m.blue) / green * cb -
                                           2 * m.red * (1 - m.red) / green * cr,
                                       luma + 2 * (1 - m.blue) * cb};
              const Rgb rgb = to_rgb(k, y << (14 - depth), u << (14 - depth), v << (14 - depth));
              const int found[3] = {rgb.r, rgb.g, rgb.b};
              for (int c = 0; c < 3; ++c) {
                const int wanted = static_cast<int>(std::lround(std::clamp(exact[c], 0.0, 255.0)));
                ASSERT_LE(std::abs(wanted - found[c]), 1) << y << ' ' << u << ' ' << v;
                off_by_one += wanted != found[c];
                ++all;
              }
            }
          }
        }
        // Only values within the coefficients' rounding (0.02 levels) of a half may differ.
        EXPECT_LT(static_cast<double>(off_by_one) / static_cast<double>(all), 0.02);
      }
    }
  }
}

TEST(CudaPixel, ExtremeOvershootStaysInsideThirtyTwoBits) {
  // Resampling overshoots by at most a third of the range; one wrapped sum would leave the wrong
  // end.
  const YuvToRgb k = yuv_to_rgb(9, false, 8);
  const int most = 16383 + 16384 / 3, least = -16384 / 3;
  EXPECT_EQ(to_rgb(k, most, 8192, most).r, 255);
  EXPECT_EQ(to_rgb(k, most, most, 8192).b, 255);
  EXPECT_EQ(to_rgb(k, least, 8192, least).r, 0);
  EXPECT_EQ(to_rgb(k, least, least, 8192).b, 0);
  EXPECT_EQ(to_rgb(k, most, least, least).g, 255);
}

TEST(CudaPixel, HalfFloatsEqualTheCompilersConversion) {
  std::mt19937 random(7);
  for (int i = 0; i < 2'000'000; ++i) {
    float value;
    std::uint32_t bits = static_cast<std::uint32_t>(random());
    std::memcpy(&value, &bits, 4);
    if (!std::isfinite(value)) continue;
    const _Float16 half = static_cast<_Float16>(value);
    std::uint16_t wanted;
    std::memcpy(&wanted, &half, 2);
    ASSERT_EQ(to_float16(value), wanted) << value;
  }
  for (const float value :
       {5.9604645e-8F, 2.9802322e-8F, 2.9802326e-8F, 65504.0F, 65519.9F, 65520.0F}) {
    const _Float16 half = static_cast<_Float16>(value);
    std::uint16_t wanted;
    std::memcpy(&wanted, &half, 2);
    EXPECT_EQ(to_float16(value), wanted) << value;
  }
}

TEST(CudaPixel, BrainFloatsAreTheNearestEven) {
  EXPECT_EQ(to_bfloat16(1.0F), 0x3f80);
  EXPECT_EQ(to_bfloat16(-2.0F), 0xc000);
  EXPECT_EQ(to_bfloat16(1.00390625F), 0x3f80);  // 1 + 2^-8: halfway, to even
  EXPECT_EQ(to_bfloat16(1.01171875F), 0x3f82);  // 1 + 3 * 2^-8: halfway, to even, upwards
  EXPECT_EQ(to_bfloat16(1.00390637F), 0x3f81);  // just above halfway
}

TEST(CudaPixel, EveryRowOfWeightsSumsToOneAndStaysInside) {
  for (const int subsampling : {0, 1}) {
    for (const auto& [input, output] : {std::pair{1920, 588},
                                        {1080, 336},
                                        {270, 270},
                                        {5, 64},
                                        {1, 7},
                                        {2, 1},
                                        {4096, 16},
                                        {3, 2}}) {
      const int samples = (input + (1 << subsampling) - 1) >> subsampling;
      const Taps table = picture_taps(input, output, subsampling);
      ASSERT_EQ(table.first.size(), static_cast<std::size_t>(output));
      const auto taps = static_cast<std::size_t>(table.taps);
      for (std::size_t i = 0; i < table.first.size(); ++i) {
        int sum = 0;
        for (std::size_t k = 0; k < taps; ++k) sum += table.weights[i * taps + k];
        ASSERT_EQ(sum, 1 << kWeightBits) << input << "->" << output << " row " << i;
        ASSERT_GE(table.first[i], 0);
        ASSERT_LE(table.first[i] + table.taps, samples);
      }
    }
  }
}

TEST(CudaPixel, ResamplingToTheSameSizeIsOneTapOfOne) {
  for (const int subsampling : {0, 1}) {
    const Taps table = picture_taps(40, 40, subsampling);
    ASSERT_EQ(table.taps, 1);
    for (std::size_t i = 0; i < 40; ++i) {
      EXPECT_EQ(table.first[i], static_cast<int>(i) >> subsampling);
      EXPECT_EQ(table.weights[i], 1 << kWeightBits);
    }
  }
}

TEST(CudaPixel, HalvingWeighsTheEightNearestAsKeysCubicStretchedByTwoDoes) {
  // Distances 0.25, 0.75, 1.25, 1.75 of the stretched kernel; a = -0.5, worked out by hand.
  const Taps table = picture_taps(64, 32, 0);
  const double exact[4] = {0.8671875, 0.2265625, -0.0703125, -0.0234375};
  const std::size_t row = 10;  // centre 20.5
  for (int distance = 0; distance < 4; ++distance) {
    const auto k = static_cast<std::size_t>(21 + distance - table.first[row]);
    const double weight = table.weights[row * static_cast<std::size_t>(table.taps) + k];
    EXPECT_NEAR(weight / (1 << kWeightBits), exact[distance] / 2, 3.0 / (1 << kWeightBits));
  }
}

TEST(CudaPixel, TurningBackFindsTheStoredCorner) {
  // Stored 3 x 2, shown turned by 90 degrees clockwise: transposed, then mirrored left-right.
  const Turn clockwise{1, 1, 0};
  int x = -1, y = -1;
  stored_place(clockwise, 2, 3, 1, 0, &x, &y);  // the displayed top right is the stored top left
  EXPECT_EQ(std::pair(x, y), std::pair(0, 0));
  stored_place(clockwise, 2, 3, 0, 0, &x, &y);  // the displayed top left is the stored bottom left
  EXPECT_EQ(std::pair(x, y), std::pair(0, 1));
}

TEST(CudaPixel, PatchesFillTheTensorOnceAndKeepMergedNeighboursTogether) {
  const PatchGrid grid{2, 2, 2, 8, 4};
  std::set<std::int64_t> places;
  for (int frame = 0; frame < 4; ++frame)
    for (int y = 0; y < 4; ++y)
      for (int x = 0; x < 8; ++x)
        for (int c = 0; c < 3; ++c) places.insert(patch_place(grid, frame, x, y, c));
  EXPECT_EQ(places.size(), 4U * 4 * 8 * 3);
  EXPECT_EQ(*places.begin(), 0);
  EXPECT_EQ(*places.rbegin(), 4 * 4 * 8 * 3 - 1);
  // Row length 3 * 2 * 2 * 2 = 24. Rows 0..3 are the patches at (0,0) (2,0) (0,2) (2,2).
  EXPECT_EQ(patch_place(grid, 0, 2, 0, 0), 24);
  EXPECT_EQ(patch_place(grid, 0, 0, 2, 0), 48);
  EXPECT_EQ(patch_place(grid, 0, 4, 0, 0), 96);
  EXPECT_EQ(patch_place(grid, 1, 1, 1, 2), (2 * 2 + 1) * 4 + 3);
  EXPECT_EQ(patch_place(grid, 2, 0, 0, 0), 24 * 8);
}

}  // namespace
}  // namespace deepsport::pixel
