#include "frames/plan.hpp"

#include <algorithm>

namespace deepsport {
namespace {

bool shown_before(const FrameIndex& index, std::uint32_t a, std::uint32_t b) {
  const std::int64_t frame_a = index.frame_of_packet[a], frame_b = index.frame_of_packet[b];
  if (frame_a >= 0 && frame_b >= 0) return frame_a <= frame_b;
  return index.packets[a].pts <= index.packets[b].pts;
}

}  // namespace

std::uint32_t start_for(const FrameIndex& index, std::uint32_t packet) {
  const auto& keys = index.key_packets;
  auto key = std::upper_bound(keys.begin(), keys.end(), packet);
  while (key != keys.begin()) {
    --key;
    if (shown_before(index, *key, packet)) return *key;
  }
  return 0;  // before every key: as a player, from the beginning
}

bool can_be_decoded_from(const FrameIndex& index, std::uint32_t start, std::uint32_t packet) {
  return start == 0 || start_for(index, packet) >= start;
}

std::vector<Segment> plan_segments(const FrameIndex& index,
                                   const std::vector<std::int64_t>& frames) {
  std::vector<std::uint32_t> wanted;
  wanted.reserve(frames.size());
  for (const std::int64_t frame : frames) {
    wanted.push_back(index.display_order[static_cast<std::size_t>(frame)]);
  }
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());

  std::vector<Segment> segments;
  for (const std::uint32_t packet : wanted) {
    const std::uint32_t start = start_for(index, packet);
    segments.push_back({start, {packet}});
    // A run that has passed this start already goes on: its targets reach behind it. The joined run
    // may begin earlier than it did and so reach into the one before.
    while (segments.size() > 1) {
      Segment& last = segments.back();
      Segment& before = segments[segments.size() - 2];
      if (last.start > before.targets.back()) break;
      before.start = std::min(before.start, last.start);
      before.targets.insert(before.targets.end(), last.targets.begin(), last.targets.end());
      segments.pop_back();
    }
  }
  return segments;
}

void sort_by_length(std::vector<Segment>& segments) {
  const auto length = [](const Segment& s) { return s.targets.back() - s.start; };
  std::stable_sort(segments.begin(), segments.end(),
                   [&](const Segment& a, const Segment& b) { return length(a) > length(b); });
}

}  // namespace deepsport
