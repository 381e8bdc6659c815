#include "video/orientation.hpp"

#include <cstdlib>

namespace deepsport {

// A stored pixel (x, y) is shown at (a x + c y, b x + d y); y points down in both.
Orientation orientation_of(const std::int32_t* matrix) noexcept {
  const std::int64_t a = matrix[0], b = matrix[1], c = matrix[3], d = matrix[4];
  Orientation turn;
  if (a == 0 && d == 0 && b != 0 && c != 0) {
    turn.transpose = true;
    turn.flip_horizontal = c < 0;
    turn.flip_vertical = b < 0;
    turn.rotation_degrees = b > 0 ? 90 : 270;
  } else if (b == 0 && c == 0 && a != 0 && d != 0) {
    turn.flip_horizontal = a < 0;
    turn.flip_vertical = d < 0;
    turn.rotation_degrees = a < 0 && d < 0 ? 180 : 0;
  }
  return turn;
}

}  // namespace deepsport
