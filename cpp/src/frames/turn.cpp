#include "frames/turn.hpp"

#include <cstddef>
#include <cstring>

namespace deepsport {

void turn(const std::uint8_t* stored, const Orientation& how, int width, int height,
          std::uint8_t* out) noexcept {
  const std::ptrdiff_t stored_width = how.transpose ? height : width;
  const std::ptrdiff_t x_step = (how.transpose ? stored_width : 1) * (how.flip_horizontal ? -3 : 3);
  for (int y = 0; y < height; ++y) {
    const std::ptrdiff_t y_from = how.flip_vertical ? height - 1 - y : y;
    const std::ptrdiff_t x_from = how.flip_horizontal ? width - 1 : 0;
    const std::uint8_t* from = stored + 3 * (how.transpose ? x_from * stored_width + y_from
                                                           : y_from * stored_width + x_from);
    for (int x = 0; x < width; ++x, from += x_step, out += 3) std::memcpy(out, from, 3);
  }
}

}  // namespace deepsport
