// Display matrices of mov and Matroska read as one of the eight ways to turn a picture.
#pragma once

#include <cstdint>

#include "deepsport/video.hpp"

namespace deepsport {

/// `matrix` holds the 9 numbers of ISO 14496-12 8.2.2; anything oblique is taken as upright.
Orientation orientation_of(const std::int32_t* matrix) noexcept;

}  // namespace deepsport
