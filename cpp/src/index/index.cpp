// Orders the table and looks frames up in it.
#include "deepsport/index.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace deepsport {

// Decoding order is display order but for a few pictures' reach: inserting takes a tenth of the
// time of sorting, where it is.
void FrameIndex::order_by_pts() {
  constexpr std::size_t kReach = 32;
  bool nearly = true;
  display_order.clear();
  display_order.reserve(packets.size());
  pts.clear();
  pts.reserve(packets.size());
  for (std::uint32_t i = 0; i < packets.size(); ++i) {
    if (packets[i].is(Packet::kHidden)) continue;
    const std::int64_t time = packets[i].pts;
    std::size_t to = pts.size();
    display_order.push_back(i);
    pts.push_back(time);
    if (!nearly || to == 0 || pts[to - 1] <= time) continue;
    const std::size_t least = to > kReach ? to - kReach : 0;
    for (; to > least && pts[to - 1] > time; --to) {
      pts[to] = pts[to - 1];
      display_order[to] = display_order[to - 1];
    }
    pts[to] = time;
    display_order[to] = i;
    nearly = to == 0 || pts[to - 1] <= time;
  }
  if (nearly) return;
  std::sort(display_order.begin(), display_order.end(), [this](std::uint32_t a, std::uint32_t b) {
    return packets[a].pts != packets[b].pts ? packets[a].pts < packets[b].pts : a < b;
  });
  for (std::size_t i = 0; i < pts.size(); ++i) pts[i] = packets[display_order[i]].pts;
}

bool FrameIndex::finish() {
  if (display_order.size() != pts.size()) return false;
  const bool in_transport = transport_packet_bytes == 188 || transport_packet_bytes == 192;
  for (const Packet& packet : packets) {
    if (packet.is(Packet::kScattered) && !in_transport) return false;
  }
  frame_of_packet.assign(packets.size(), -1);
  for (std::size_t i = 0; i < display_order.size(); ++i) {
    if (display_order[i] >= packets.size() || frame_of_packet[display_order[i]] >= 0) return false;
    frame_of_packet[display_order[i]] = static_cast<std::int64_t>(i);
    if (i > 0 && pts[i] < pts[i - 1]) return false;
  }
  // Reorder depth: the most pictures that are decoded before one and shown after it. Of a picture
  // with `decoded` before it and a place in display order there are decoded - place of them, and
  // one more for each decoded later and shown before; but where there is such a one, it has more
  // itself, so that the most is found without.
  constexpr std::int64_t kMost = 16;  // what H.264 and HEVC allow
  std::int64_t decoded = 0, deepest = 0;
  key_packets.clear();
  for (std::uint32_t i = 0; i < packets.size(); ++i) {
    if (packets[i].is(Packet::kKey)) key_packets.push_back(i);
    if (frame_of_packet[i] >= 0) deepest = std::max(deepest, decoded++ - frame_of_packet[i]);
  }
  reorder_depth = static_cast<int>(std::min(deepest, kMost));
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
