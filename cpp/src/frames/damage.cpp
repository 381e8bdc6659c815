#include "frames/damage.hpp"

#include <algorithm>

namespace deepsport {

// Where the pictures that may refer back to a packet end: at the next start, whose leading pictures
// are still among them.
void Damage::mark(std::uint32_t packet) {
  if (index_.packets[packet].is(Packet::kDroppable)) return;  // nothing refers to it
  const auto& keys = index_.key_packets;
  const auto key = std::upper_bound(keys.begin(), keys.end(), packet);
  const std::uint32_t end = key == keys.end() ? UINT32_MAX : *key;
  const auto known = damaged_.emplace(end, packet).first;
  known->second = std::min(known->second, packet);
}

bool Damage::reaches(std::uint32_t packet) const {
  for (const auto& [end, first] : damaged_) {
    if (packet < first) continue;
    if (packet < end) return true;
    const std::int64_t frame = index_.frame_of_packet[packet];
    if (frame >= 0 && frame < index_.frame_of_packet[end]) return true;
  }
  return false;
}

}  // namespace deepsport
