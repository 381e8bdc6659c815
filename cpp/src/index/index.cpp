// Orders the table and looks frames up in it.
#include "deepsport/index.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace deepsport {
namespace {

// Decoding order is display order but for a few pictures' reach: then inserting takes a tenth of
// the time of sorting. False, with `order` still a stable start for sorting, where it is not.
bool sort_nearly_sorted(const std::vector<Packet>& packets, std::vector<std::uint32_t>& order) {
  constexpr std::size_t kReach = 32;
  for (std::size_t i = 1; i < order.size(); ++i) {
    const std::uint32_t moved = order[i];
    std::size_t to = i;
    while (to > 0 && packets[order[to - 1]].pts > packets[moved].pts) {
      if (i - to == kReach) {
        order[to] = moved;
        return false;
      }
      order[to] = order[to - 1];
      --to;
    }
    order[to] = moved;
  }
  return true;
}

}  // namespace

void FrameIndex::order_by_pts() {
  display_order.clear();
  display_order.reserve(packets.size());
  for (std::uint32_t i = 0; i < packets.size(); ++i) {
    if (!packets[i].is(Packet::kHidden)) display_order.push_back(i);
  }
  if (!sort_nearly_sorted(packets, display_order)) {
    std::stable_sort(
        display_order.begin(), display_order.end(),
        [this](std::uint32_t a, std::uint32_t b) { return packets[a].pts < packets[b].pts; });
  }
  pts.clear();
  pts.reserve(display_order.size());
  for (const std::uint32_t packet : display_order) pts.push_back(packets[packet].pts);
}

bool FrameIndex::finish() {
  if (display_order.size() != pts.size()) return false;
  frame_of_packet.assign(packets.size(), -1);
  for (std::size_t i = 0; i < display_order.size(); ++i) {
    if (display_order[i] >= packets.size() || frame_of_packet[display_order[i]] >= 0) return false;
    frame_of_packet[display_order[i]] = static_cast<std::int64_t>(i);
    if (i > 0 && pts[i] < pts[i - 1]) return false;
  }
  key_packets.clear();
  for (std::uint32_t i = 0; i < packets.size(); ++i) {
    if (packets[i].is(Packet::kKey)) key_packets.push_back(i);
  }
  // Reorder depth: the most pictures that are decoded before one and shown after it. Seen from a
  // picture, those are the earlier packets with a later place in display order.
  reorder_depth = 0;
  constexpr std::ptrdiff_t kMost = 16;  // what H.264 and HEVC allow
  std::vector<std::int64_t> latest;     // the largest places so far, ascending
  latest.reserve(4 * kMost + 1);
  for (const std::int64_t frame : frame_of_packet) {
    if (frame < 0) continue;
    auto at = latest.end();
    while (at != latest.begin() && *(at - 1) > frame) --at;
    const auto later = std::min(latest.end() - at, kMost);
    reorder_depth = std::max(reorder_depth, static_cast<int>(later));
    latest.insert(at, frame);
    if (latest.size() > 4 * kMost) latest.erase(latest.begin(), latest.end() - kMost);
  }
  return true;
}

std::int64_t FrameIndex::frame_at(double second, const std::string& name) const {
  if (pts.empty() || !std::isfinite(second) || second < seconds(pts.front()) ||
      second >= seconds(end_pts)) {
    char text[160];
    std::snprintf(text, sizeof text,
                  "second %.6g: the video is shown from %.6g to %.6g s; valid are "
                  "seconds in [%.6g, %.6g)",
                  second, pts.empty() ? 0.0 : seconds(pts.front()), seconds(end_pts),
                  pts.empty() ? 0.0 : seconds(pts.front()), seconds(end_pts));
    throw Error(Errc::kOutOfRange, name + ": " + text);
  }
  // Compare in seconds, as the caller sees them, so that pts_seconds[i] always finds frame i.
  const auto after = std::partition_point(
      pts.begin(), pts.end(), [&](std::int64_t value) { return seconds(value) <= second; });
  return (after - pts.begin()) - 1;
}

bool FrameIndex::variable_frame_rate() const noexcept {
  if (pts.size() < 3) return false;
  std::int64_t least = pts[1] - pts[0], most = least;
  for (std::size_t i = 2; i < pts.size(); ++i) {
    least = std::min(least, pts[i] - pts[i - 1]);
    most = std::max(most, pts[i] - pts[i - 1]);
  }
  // Containers with a coarse clock (1/1000 s in Matroska) round a constant step up or down.
  const double step =
      static_cast<double>(pts.back() - pts.front()) / static_cast<double>(pts.size() - 1);
  const double slack = std::max(1.0, 0.02 * step);
  return static_cast<double>(most) > step + slack || static_cast<double>(least) < step - slack;
}

}  // namespace deepsport
