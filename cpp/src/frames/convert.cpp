// Resizing happens on the planes, before colours are mixed: chroma is a quarter of the samples, and
// the matrix is applied to the few pixels that remain.
#include "frames/convert.hpp"

#include <algorithm>
#include <cstring>

#include "frames/color.hpp"
#include "frames/turn.hpp"

extern "C" {
#include <libavutil/pixdesc.h>
}

namespace deepsport {
namespace {

const AVPixFmtDescriptor* descriptor(const AVFrame& frame) {
  return av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
}

// Formats whose planes can be read as they are: one component a plane, native byte order.
bool is_readable(const AVPixFmtDescriptor& format) {
  constexpr std::uint64_t kRefused = AV_PIX_FMT_FLAG_BE | AV_PIX_FMT_FLAG_PAL |
                                     AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_HWACCEL |
                                     AV_PIX_FMT_FLAG_FLOAT | AV_PIX_FMT_FLAG_BAYER;
  if ((format.flags & kRefused) != 0) return false;
  const int colours = format.nb_components >= 3 ? 3 : 1;
  for (int i = 0; i < colours; ++i) {
    const AVComponentDescriptor& component = format.comp[i];
    const int bytes = component.depth > 8 ? 2 : 1;
    if (component.step != bytes || component.shift != 0 || component.offset != 0) return false;
    if (component.depth > 16 || component.depth < 8) return false;
  }
  return true;
}

}  // namespace

// Packed and palette formats, but for the RGB of arrays, go through libswscale once, at their own
// size, into planes.
const AVFrame& Converter::planar(const AVFrame& frame) {
  const AVPixFmtDescriptor* format = descriptor(frame);
  if (frame.format == AV_PIX_FMT_RGB24) return frame;
  if (format != nullptr && is_readable(*format)) return frame;
  const bool rgb =
      format == nullptr || (format->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL)) != 0;
  const AVPixelFormat wanted = rgb ? AV_PIX_FMT_GBRP : AV_PIX_FMT_YUV444P;
  repacker_.reset(sws_getCachedContext(repacker_.release(), frame.width, frame.height,
                                       static_cast<AVPixelFormat>(frame.format), frame.width,
                                       frame.height, wanted, SWS_BILINEAR | SWS_ACCURATE_RND,
                                       nullptr, nullptr, nullptr));
  if (!repacker_) {
    throw Error(
        Errc::kUnsupported,
        std::string("converting a picture of pixel format ") +
            (format != nullptr ? format->name : "unknown") +
            ": there is no way to RGB; valid are FFmpeg's YUV, RGB, grey and palette formats");
  }
  repacked_ = ffmpeg::make_frame();
  repacked_->format = wanted;
  repacked_->width = frame.width;
  repacked_->height = frame.height;
  repacked_->colorspace = frame.colorspace;
  repacked_->color_range = frame.color_range;
  if (av_frame_get_buffer(repacked_.get(), 0) < 0) throw std::bad_alloc();
  sws_scale(repacker_.get(), frame.data, frame.linesize, 0, frame.height, repacked_->data,
            repacked_->linesize);
  return *repacked_;
}

void Converter::describe(const AVFrame& frame, int width, int height) {
  const AVPixFmtDescriptor& format = *descriptor(frame);
  is_rgb_ = (format.flags & AV_PIX_FMT_FLAG_RGB) != 0;
  is_packed_ = frame.format == AV_PIX_FMT_RGB24;
  plane_count_ = format.nb_components >= 3 && !is_packed_ ? 3 : 1;
  const std::vector<int> now = {frame.width, frame.height, frame.format, width, height};
  const bool same = now == described_;
  described_ = now;
  std::size_t longest = 0;
  for (int i = 0; i < plane_count_; ++i) {
    Plane& plane = planes_[i];
    const AVComponentDescriptor& component = format.comp[i];
    const bool chroma = !is_rgb_ && i > 0;
    plane.data = frame.data[component.plane];
    plane.stride = frame.linesize[component.plane];
    if (same) continue;
    plane.depth = component.depth;
    plane.sub_x = chroma ? format.log2_chroma_w : 0;
    plane.sub_y = chroma ? format.log2_chroma_h : 0;
    plane.width = AV_CEIL_RSHIFT(frame.width, plane.sub_x);
    plane.height = AV_CEIL_RSHIFT(frame.height, plane.sub_y);
    if (frame.width == width && frame.height == height) continue;
    plane.across = make_axis(frame.width, width, plane.sub_x, plane.width);
    plane.down = make_axis(frame.height, height, plane.sub_y, plane.height);
    const auto padded = static_cast<std::size_t>(plane.width + plane.across.reach());
    longest = std::max(longest, is_packed_ ? 3 * padded : padded);
    if (!is_packed_) continue;
    for (auto& row : split_) row.resize(padded);
  }
  if (!same) blended_.resize(longest);
  for (auto& row : rows_) row.resize(static_cast<std::size_t>(width));
  for (auto& row : colours_) row.resize(static_cast<std::size_t>(width));
}

// The stored rows that row `y` is made of, to `blended_`.
template <typename T>
void Converter::blend(const Plane& plane, int y) {
  const int samples = is_packed_ ? 3 * plane.width : plane.width;
  const auto at = static_cast<std::size_t>(y);
  const int count = plane.down.count[at];
  const T* rows[64];
  std::vector<const T*> many;
  const T** pointers = rows;
  if (count > 64) {
    many.resize(static_cast<std::size_t>(count));
    pointers = many.data();
  }
  for (int k = 0; k < count; ++k) {
    pointers[k] =
        reinterpret_cast<const T*>(plane.data + (plane.down.first[at] + k) * plane.stride);
  }
  const std::int16_t* weights = &plane.down.weights[at * static_cast<std::size_t>(plane.down.taps)];
  if constexpr (sizeof(T) == 1) {
    kernels().blend8(pointers, weights, count, plane.depth, samples, blended_.data());
  } else {
    kernels().blend16(pointers, weights, count, plane.depth, samples, blended_.data());
  }
  // What the next row adds is on its way while this one is resampled.
  if (at + 1 == plane.down.first.size()) return;
  const int end = plane.down.first[at + 1] + plane.down.count[at + 1];
  for (int row = plane.down.first[at] + count; row < end; ++row) {
    const std::uint8_t* from = plane.data + row * plane.stride;
    for (std::size_t i = 0; i < static_cast<std::size_t>(samples) * sizeof(T); i += 64) {
      __builtin_prefetch(from + i);
    }
  }
}

void Converter::plane_row(const Plane& plane, int y, int width, bool copy, std::int16_t* out) {
  if (copy) {
    const std::uint8_t* row = plane.data + (y >> plane.sub_y) * plane.stride;
    if (plane.depth > 8) {
      kernels().widen16(reinterpret_cast<const std::uint16_t*>(row), plane.depth, plane.sub_x,
                        width, out);
    } else {
      kernels().widen8(row, plane.depth, plane.sub_x, width, out);
    }
    return;
  }
  if (plane.depth > 8) {
    blend<std::uint16_t>(plane, y);
  } else {
    blend<std::uint8_t>(plane, y);
  }
  kernels().resample(blended_.data(), plane.across, out);
}

// Rows of packed RGB are blended as they are; colours part where their samples are fewest.
void Converter::sample_rows(int y, int width, bool copy) {
  if (!is_packed_) {
    for (int i = 0; i < plane_count_; ++i) {
      plane_row(planes_[i], y, width, copy, rows_[i].data());
    }
    return;
  }
  const Plane& plane = planes_[0];
  blend<std::uint8_t>(plane, y);
  kernels().split16(blended_.data(), plane.width,
                    {split_[0].data(), split_[1].data(), split_[2].data()});
  for (std::size_t c = 0; c < 3; ++c) {
    kernels().resample(split_[c].data(), plane.across, rows_[c].data());
  }
}

void Converter::upright(const AVFrame& frame, int width, int height, const TakeRow& take) {
  describe(frame, width, height);
  const bool copy = frame.width == width && frame.height == height;
  const ColorMatrix matrix = color_matrix(frame, planes_[0].depth, color_space_);
  const std::int32_t gain = full_scale_gain(planes_[0].depth);
  if (plane_count_ == 1 && !is_packed_) {
    std::fill_n(rows_[1].data(), width, std::int16_t{128 << 6});
  }
  const RgbRows colours = {colours_[0].data(), colours_[1].data(), colours_[2].data()};
  for (int y = 0; y < height; ++y) {
    if (is_packed_ && copy) {
      kernels().split8(planes_[0].data + y * planes_[0].stride, width, colours);
    } else {
      sample_rows(y, width, copy);
      const std::int16_t *p = rows_[0].data(), *q = rows_[1].data(), *r = rows_[2].data();
      if (!is_rgb_) {
        kernels().yuv(p, q, plane_count_ == 1 ? q : r, matrix, width, colours);
      } else {
        kernels().rgb(p, q, r, gain, width, colours);
      }
    }
    take(y, colours);
  }
}

// What goes to pixels in one step.
bool Converter::are_bytes_of_yuv() const {
  return !is_rgb_ && plane_count_ == 3 && planes_[0].depth == 8 && planes_[1].sub_x <= 1;
}

void Converter::upright_pixels(const AVFrame& frame, int width, int height, std::uint8_t* out) {
  const std::ptrdiff_t stride = std::ptrdiff_t{3} * width;
  describe(frame, width, height);
  const bool copy = frame.width == width && frame.height == height;
  if (copy && is_packed_) {
    for (int y = 0; y < height; ++y) {
      std::memcpy(out + y * stride, planes_[0].data + y * planes_[0].stride,
                  static_cast<std::size_t>(stride));
    }
    return;
  }
  if (!copy || !are_bytes_of_yuv()) {
    upright(frame, width, height,
            [&](int y, RgbRows row) { kernels().interleave(row, width, out + y * stride); });
    return;
  }
  const ColorMatrix matrix = color_matrix(frame, planes_[0].depth, color_space_);
  const auto row_of = [](const Plane& plane, int y) {
    return plane.data + (y >> plane.sub_y) * plane.stride;
  };
  for (int y = 0; y < height; ++y) {
    kernels().pixels8(row_of(planes_[0], y), row_of(planes_[1], y), row_of(planes_[2], y),
                      planes_[1].sub_x, matrix, width, out + y * stride);
  }
}

void Converter::pixels(const AVFrame& frame, int width, int height, std::uint8_t* out) {
  const AVFrame& picture = planar(frame);
  if (!needs_turning(orientation_)) return upright_pixels(picture, width, height, out);
  // Displayed rows run across stored ones: the whole picture first, then turned.
  stored_.resize(3 * static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
  const int across = orientation_.transpose ? height : width;
  upright_pixels(picture, across, orientation_.transpose ? width : height, stored_.data());
  turn(stored_.data(), orientation_, width, height, out);
}

void Converter::rows(const AVFrame& frame, int width, int height, const TakeRow& take) {
  if (!needs_turning(orientation_)) return upright(planar(frame), width, height, take);
  turned_.resize(3 * static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
  pixels(frame, width, height, turned_.data());
  for (auto& row : colours_) row.resize(static_cast<std::size_t>(width));
  const RgbRows colours = {colours_[0].data(), colours_[1].data(), colours_[2].data()};
  const std::uint8_t* from = turned_.data();
  for (int y = 0; y < height; ++y, from += std::ptrdiff_t{3} * width) {
    kernels().split8(from, width, colours);
    take(y, colours);
  }
}

}  // namespace deepsport
