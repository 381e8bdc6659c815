// Which pictures of an HEVC stream with temporal layers may be dropped.
#pragma once

#include <algorithm>
#include <vector>

#include "deepsport/index.hpp"

namespace deepsport {

/// HEVC: only pictures of the highest temporal layer may go, lower ones serve the layers above.
inline void keep_lower_layers(std::vector<Packet>& packets) {
  std::uint32_t highest = 0;
  for (const Packet& packet : packets) highest = std::max(highest, packet.layer);
  for (Packet& packet : packets) {
    if (packet.layer < highest) packet.flags &= ~static_cast<std::uint32_t>(Packet::kDroppable);
  }
}

}  // namespace deepsport
