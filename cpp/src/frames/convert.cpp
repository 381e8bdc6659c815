#include "frames/convert.hpp"

#include <cstring>
#include <utility>

extern "C" {
#include <libavutil/pixdesc.h>
}

namespace deepsport {
namespace {

// Copy a picture of `width` x `height` pixels as displayed; `stored` is transposed when asked.
void turn(const std::uint8_t* stored, const Orientation& how, int width, int height,
          std::uint8_t* out) {
  const std::ptrdiff_t stored_width = how.transpose ? height : width;
  const std::ptrdiff_t x_step = (how.transpose ? stored_width : 1) * (how.flip_horizontal ? -3 : 3);
  for (int y = 0; y < height; ++y) {
    const int y_from = how.flip_vertical ? height - 1 - y : y;
    const int x_from = how.flip_horizontal ? width - 1 : 0;
    const std::uint8_t* from =
        stored + 3 * (how.transpose ? x_from * stored_width + y_from : y_from * stored_width + x_from);
    for (int x = 0; x < width; ++x, from += x_step, out += 3) std::memcpy(out, from, 3);
  }
}

}  // namespace

void Converter::rgb(const AVFrame& frame, int width, int height, std::uint8_t* out) {
  const Orientation& how = facts_.orientation;
  const bool turned = how.transpose || how.flip_horizontal || how.flip_vertical;
  const int stored_width = how.transpose ? height : width;
  const int stored_height = how.transpose ? width : height;
  std::uint8_t* into = out;
  if (turned) {
    upright_.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3);
    into = upright_.data();
  }
  const int flags = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT;
  scaler_.reset(sws_getCachedContext(scaler_.release(), frame.width, frame.height,
                                     static_cast<AVPixelFormat>(frame.format), stored_width,
                                     stored_height, AV_PIX_FMT_RGB24, flags, nullptr, nullptr,
                                     nullptr));
  if (!scaler_) {
    throw Error(Errc::kUnsupported, "converting a picture of pixel format " +
                                        std::to_string(frame.format) +
                                        ": no conversion to RGB exists; valid are FFmpeg's YUV, RGB "
                                        "and grey formats");
  }
  const int* coefficients = sws_getCoefficients(frame.colorspace);
  sws_setColorspaceDetails(scaler_.get(), coefficients, frame.color_range == AVCOL_RANGE_JPEG,
                           sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16);
  std::uint8_t* planes[4] = {into, nullptr, nullptr, nullptr};
  const int strides[4] = {stored_width * 3, 0, 0, 0};
  sws_scale(scaler_.get(), frame.data, frame.linesize, 0, frame.height, planes, strides);
  if (turned) turn(into, how, width, height, out);
}

}  // namespace deepsport
