// Arbitrary tables of packets and arbitrary requests: every frame that is asked for is planned
// once, at or behind a place where decoding can start.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "frames/plan.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

/// A packet is two bytes: how far its pts lies from its place, and its flags; then 0xFF and frames.
std::vector<std::string> fuzz_seeds() {
  return {
      std::string("\0\1\3\0\xFE\2\xFE\2\0\1\3\0\xFE\2\xFE\2\xFF\7\1\2\0", 21),
      std::string("\0\1\0\0\0\0\0\1\0\0\xFF\4\4\0", 14),
      std::string("\0\1\2\0\xFF\0", 6),
  };
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  deepsport::FrameIndex index;
  std::size_t at = 0;
  for (; at + 1 < size && data[at] != 0xFF && index.packets.size() < 4096; at += 2) {
    deepsport::Packet packet;
    packet.dts = static_cast<std::int64_t>(index.packets.size());
    packet.pts = packet.dts + static_cast<std::int8_t>(data[at]);
    packet.flags = data[at + 1] & 0x1F;
    index.packets.push_back(packet);
  }
  index.order_by_pts();
  if (!index.finish() || index.pts.empty()) return 0;
  require(std::is_sorted(index.pts.begin(), index.pts.end()));

  std::vector<std::int64_t> frames;
  std::set<std::uint32_t> wanted;
  for (++at; at < size && frames.size() < 512; ++at) {
    frames.push_back(data[at] % index.frame_count());
    wanted.insert(index.display_order[static_cast<std::size_t>(frames.back())]);
  }
  std::set<std::uint32_t> planned;
  std::uint32_t before = 0;
  for (const deepsport::Segment& segment : deepsport::plan_segments(index, frames)) {
    require(!segment.targets.empty());
    require(segment.start <= segment.targets.front());
    require(planned.empty() || segment.start >= before);  // in decoding order
    for (const std::uint32_t target : segment.targets) {
      require(target < index.packets.size());
      require(planned.insert(target).second);
      before = std::max(before, target);
    }
  }
  require(planned == wanted);
  return 0;
}
