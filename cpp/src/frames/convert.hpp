// Decoded pictures to RGB of a wanted size, turned as they are displayed.
#pragma once

#include "deepsport/frames.hpp"
#include "ffmpeg/handles.hpp"

namespace deepsport {

/// Keeps scalers and scratch memory between pictures. One object per thread.
class Converter {
 public:
  explicit Converter(const StreamFacts& facts) : facts_(facts) {}
  /// Write `width` x `height` RGB pixels, rows packed. @throws Error kUnsupported.
  void rgb(const AVFrame& frame, int width, int height, std::uint8_t* out);

 private:
  StreamFacts facts_;
  ffmpeg::ScalerPtr scaler_;
  std::vector<std::uint8_t> upright_;
};

}  // namespace deepsport
