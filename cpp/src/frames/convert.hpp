// Decoded pictures to RGB of a wanted size, turned as they are displayed, a row at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "deepsport/frames.hpp"
#include "ffmpeg/handles.hpp"
#include "frames/axis.hpp"
#include "frames/kernels.hpp"

namespace deepsport {

/// A row of samples that begins where whole registers are loaded and stored at once.
class SampleRow {
 public:
  void resize(std::size_t samples) {
    lines_.resize((samples + kLine - 1) / kLine);
  }
  std::int16_t* data() noexcept {
    return lines_.empty() ? nullptr : lines_.front().samples;
  }

 private:
  static constexpr std::size_t kLine = 32;
  struct alignas(64) Line {
    std::int16_t samples[kLine];
  };
  std::vector<Line> lines_;
};

/// Keeps weights and scratch memory between pictures. One object per thread.
class Converter {
 public:
  /// `color_space` (ITU-T H.273) is that of the container, for pictures that say nothing
  /// themselves.
  explicit Converter(const Orientation& orientation, int color_space = 2)
      : orientation_(orientation), color_space_(color_space) {}
  /// Called with each row of the picture, from the top; the rows are its to read until it returns.
  using TakeRow = std::function<void(int y, RgbRows row)>;
  /// Hand over `width` x `height` pixels. @throws Error kUnsupported.
  void rows(const AVFrame& frame, int width, int height, const TakeRow& take);
  /// The same as pixels of three bytes, row after row, to `out`. @throws Error kUnsupported.
  void pixels(const AVFrame& frame, int width, int height, std::uint8_t* out);

 private:
  struct Plane {
    const std::uint8_t* data = nullptr;
    std::ptrdiff_t stride = 0;
    int width = 0, height = 0;
    int sub_x = 0, sub_y = 0;  // log2 of subsampling
    int depth = 8;
    Axis across, down;
  };
  const AVFrame& planar(const AVFrame& frame);
  void describe(const AVFrame& frame, int width, int height);
  void plane_row(const Plane& plane, int y, int width, bool copy, std::int16_t* out);
  template <typename T>
  void blend(const Plane& plane, int y);
  void sample_rows(int y, int width, bool copy);
  void upright(const AVFrame& frame, int width, int height, const TakeRow& take);
  void upright_pixels(const AVFrame& frame, int width, int height, std::uint8_t* out);
  bool are_bytes_of_yuv() const;

  Orientation orientation_;
  int color_space_;
  Plane planes_[3];
  int plane_count_ = 0;
  bool is_rgb_ = false;
  bool is_packed_ = false;      // RGB of 8 bits in one plane
  std::vector<int> described_;  // what planes_ was made for
  ffmpeg::ScalerPtr repacker_;
  ffmpeg::FramePtr repacked_;
  std::vector<std::uint8_t> stored_, turned_, colours_[3];
  SampleRow rows_[3], blended_, split_[3];
};

}  // namespace deepsport
