// The conversion kernels: every set of instructions agrees with the plain loops to the bit, weights
// add up, known colours come out. Whole pictures are compared with FFmpeg in
// tests/python/test_frames.py.
#include <gtest/gtest.h>

#include <random>

#include "frames/color.hpp"
#include "frames/convert.hpp"
#include "frames/kernels.hpp"
#include "frames/turn.hpp"

namespace deepsport {
namespace {

ffmpeg::FramePtr flat(AVPixelFormat format, int width, int height, int y, int u, int v,
                      AVColorSpace space, AVColorRange range) {
  auto frame = ffmpeg::make_frame();
  frame->format = format;
  frame->width = width;
  frame->height = height;
  frame->colorspace = space;
  frame->color_range = range;
  EXPECT_GE(av_frame_get_buffer(frame.get(), 0), 0);
  const int values[3] = {y, u, v};
  for (int p = 0; p < 3; ++p) {
    const int rows = p == 0 ? height : (height + 1) / 2;
    std::fill_n(frame->data[p], frame->linesize[p] * rows, static_cast<std::uint8_t>(values[p]));
  }
  return frame;
}

// Expected values by hand from Rec. BT.601 and BT.709.
TEST(Converter, KnownColoursComeOutAtEverySize) {
  struct Case {
    int y, u, v;
    AVColorSpace space;
    AVColorRange range;
    int r, g, b;
  };
  const Case cases[] = {
      {235, 128, 128, AVCOL_SPC_BT709, AVCOL_RANGE_MPEG, 255, 255, 255},
      {16, 128, 128, AVCOL_SPC_BT709, AVCOL_RANGE_MPEG, 0, 0, 0},
      {81, 90, 240, AVCOL_SPC_SMPTE170M, AVCOL_RANGE_MPEG, 254, 0, 0},
      {63, 102, 240, AVCOL_SPC_BT709, AVCOL_RANGE_MPEG, 255, 1, 0},
      {76, 85, 255, AVCOL_SPC_SMPTE170M, AVCOL_RANGE_JPEG, 254, 0, 0},
      {128, 128, 128, AVCOL_SPC_UNSPECIFIED, AVCOL_RANGE_JPEG, 128, 128, 128},
  };
  for (const Case& c : cases) {
    const auto frame = flat(AV_PIX_FMT_YUV420P, 33, 17, c.y, c.u, c.v, c.space, c.range);
    for (const auto& [width, height] : {std::pair{33, 17}, {8, 5}, {70, 41}}) {
      Converter converter{Orientation{}};
      std::vector<std::uint8_t> out(static_cast<std::size_t>(width * height * 3));
      converter.rows(*frame, width, height, [&, w = width](int y, RgbRows row) {
        kernels().interleave(row, w, &out[static_cast<std::size_t>(3 * w * y)]);
      });
      for (std::size_t i = 0; i < out.size(); i += 3) {
        ASSERT_EQ(out[i], c.r) << c.y << " at " << width;
        ASSERT_EQ(out[i + 1], c.g) << c.y << " at " << width;
        ASSERT_EQ(out[i + 2], c.b) << c.y << " at " << width;
      }
    }
  }
}

ffmpeg::FramePtr noise(AVPixelFormat format, int width, int height) {
  auto frame = flat(format, width, height, 0, 0, 0, AVCOL_SPC_BT709, AVCOL_RANGE_MPEG);
  std::mt19937 random(1);
  for (int p = 0; p < 3 && frame->data[p] != nullptr; ++p) {
    const int rows = p == 0 || format != AV_PIX_FMT_YUV420P ? height : (height + 1) / 2;
    for (int i = 0; i < frame->linesize[p] * rows; ++i) {
      frame->data[p][i] = static_cast<std::uint8_t>(random());
    }
  }
  return frame;
}

std::vector<std::uint8_t> interleaved_rows(const AVFrame& frame, const Orientation& how, int width,
                                           int height) {
  Converter converter(how);
  std::vector<std::uint8_t> out(static_cast<std::size_t>(width * height * 3));
  converter.rows(frame, width, height, [&](int y, RgbRows row) {
    kernels().interleave(row, width, &out[static_cast<std::size_t>(3 * width * y)]);
  });
  return out;
}

TEST(Converter, PixelsAreTheRowsOfEachColourSideBySide) {
  for (const AVPixelFormat format :
       {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV422P, AV_PIX_FMT_YUV444P, AV_PIX_FMT_YUV411P,
        AV_PIX_FMT_GRAY8, AV_PIX_FMT_GBRP, AV_PIX_FMT_RGB24}) {
    for (const int width : {1, 33, 130}) {
      const auto frame = noise(format, width, 17);
      for (const Orientation& how : {Orientation{}, Orientation{true, false, true}}) {
        for (const auto& [w, h] : {std::pair{width, 17}, {17, width}, {40, 40}}) {
          std::vector<std::uint8_t> found(static_cast<std::size_t>(w * h * 3));
          Converter(how).pixels(*frame, w, h, found.data());
          EXPECT_EQ(found, interleaved_rows(*frame, how, w, h)) << format << " " << width;
        }
      }
    }
  }
}

TEST(Converter, PackedPixelsBecomeWhatTheirPlanesBecome) {
  for (const auto& [width, height] : {std::pair{1, 1}, {33, 17}, {130, 40}}) {
    const auto packed = noise(AV_PIX_FMT_RGB24, width, height);
    const auto planes = noise(AV_PIX_FMT_GBRP, width, height);
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        const std::uint8_t* from = packed->data[0] + y * packed->linesize[0] + 3 * x;
        planes->data[2][y * planes->linesize[2] + x] = from[0];
        planes->data[0][y * planes->linesize[0] + x] = from[1];
        planes->data[1][y * planes->linesize[1] + x] = from[2];
      }
    }
    for (const auto& [w, h] : {std::pair{width, height}, {56, 28}, {7, 90}}) {
      EXPECT_EQ(interleaved_rows(*packed, {}, w, h), interleaved_rows(*planes, {}, w, h));
    }
  }
}

TEST(Converter, TakesThePartsOfATallPicture) {
  // More rows to one than any table on the stack holds.
  constexpr int kHeight = 70000;
  const auto frame =
      flat(AV_PIX_FMT_GRAY8, 1, kHeight, 90, 0, 0, AVCOL_SPC_UNSPECIFIED, AVCOL_RANGE_JPEG);
  Converter converter{Orientation{}};
  std::vector<std::uint8_t> out(3);
  converter.rows(*frame, 1, 1, [&](int, RgbRows row) { kernels().interleave(row, 1, out.data()); });
  EXPECT_EQ(out[0], 90);
}

TEST(Converter, TakesTheContainersMatrixWhereThePictureSaysNone) {
  const auto red = [](AVColorSpace said, int container) {
    const auto frame = flat(AV_PIX_FMT_YUV420P, 16, 16, 63, 102, 240, said, AVCOL_RANGE_MPEG);
    Converter converter(Orientation{}, container);
    std::vector<std::uint8_t> out(48);
    converter.rows(*frame, 16, 16,
                   [&](int, RgbRows row) { kernels().interleave(row, 16, out.data()); });
    return std::vector<int>(out.begin(), out.begin() + 3);
  };
  EXPECT_EQ(red(AVCOL_SPC_UNSPECIFIED, AVCOL_SPC_BT709),
            red(AVCOL_SPC_BT709, AVCOL_SPC_UNSPECIFIED));
  EXPECT_EQ(red(AVCOL_SPC_SMPTE170M, AVCOL_SPC_BT709),
            red(AVCOL_SPC_UNSPECIFIED, AVCOL_SPC_UNSPECIFIED));
  EXPECT_NE(red(AVCOL_SPC_BT709, 2), red(AVCOL_SPC_SMPTE170M, 2));
  EXPECT_THROW(red(AVCOL_SPC_YCGCO, 2), Error);
}

TEST(Turn, FollowsEveryOrientation) {
  // Stored: a b c / d e f; displayed by hand.
  const std::vector<std::uint8_t> wide = {1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6};
  const auto shown = [&](const Orientation& how, int width, int height) {
    std::vector<std::uint8_t> out(18);
    turn(wide.data(), how, width, height, out.data());
    std::vector<int> firsts;
    for (std::size_t i = 0; i < 18; i += 3) firsts.push_back(out[i]);
    return firsts;
  };
  EXPECT_EQ(shown({false, true, true, 180}, 3, 2), (std::vector<int>{6, 5, 4, 3, 2, 1}));
  EXPECT_EQ(shown({true, true, false, 90}, 2, 3), (std::vector<int>{4, 1, 5, 2, 6, 3}));
  EXPECT_EQ(shown({true, false, true, 270}, 2, 3), (std::vector<int>{3, 6, 2, 5, 1, 4}));
  EXPECT_EQ(shown({false, true, false, 0}, 3, 2), (std::vector<int>{3, 2, 1, 6, 5, 4}));
}

}  // namespace
}  // namespace deepsport
