// Turns RGB pictures for display.
#pragma once

#include <cstdint>

#include "deepsport/video.hpp"

namespace deepsport {

inline bool needs_turning(const Orientation& how) noexcept {
  return how.transpose || how.flip_horizontal || how.flip_vertical;
}

/// Write `width` x `height` displayed pixels; `stored` has rows and columns swapped when
/// `how.transpose` is set.
void turn(const std::uint8_t* stored, const Orientation& how, int width, int height,
          std::uint8_t* out) noexcept;

}  // namespace deepsport
