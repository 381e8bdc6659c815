// For streams whose packets do not tell which pictures come out (interlaced H.264, packed
// B-pictures in avi, codecs not read here): decode once and note what came out. Slow, and always
// right.
#include <algorithm>

#include "ffmpeg/codec.hpp"
#include "ffmpeg/demuxer.hpp"
#include "index/scan.hpp"

namespace deepsport {

void order_by_decoding(const std::shared_ptr<const Source>& source, const Limits& limits,
                       Deadline deadline, const std::vector<bool>& lacks_pts, FrameIndex& index) {
  constexpr int kUnknownDepth = 0;  // FFmpeg's own guess, as in a player
  ffmpeg::Demuxer demuxer(source, limits, deadline);
  ffmpeg::Codec codec(index.stream, limits, kUnknownDepth, true);
  index.origin = IndexOrigin::kDecode;
  std::vector<std::uint32_t> shown;
  std::vector<bool> seen(index.packets.size(), false), starts = seen;
  std::uint32_t first_out = 0;        // the packet that pushed the first picture out
  std::vector<std::int64_t> came_at;  // decoding time of the packet that pushed each one out
  std::int64_t now = 0, step = 0;
  std::uint32_t number = 0;
  const ffmpeg::Sink note = [&](std::uint32_t packet, AVFrame* frame) {
    if (packet >= seen.size() || seen[packet]) return;
    // avi flags empty packets as key ones too; only an intra picture is a start.
    if (frame->pict_type == AV_PICTURE_TYPE_I) starts[packet] = true;
    if (shown.empty()) first_out = number;
    seen[packet] = true;
    shown.push_back(packet);
    came_at.push_back(came_at.empty() ? now : std::max(now, came_at.back() + step));
  };
  const auto packet = ffmpeg::make_packet();
  while (number < index.packets.size() && demuxer.next(packet.get())) {
    if (number > 0) step = std::max<std::int64_t>(1, index.packets[number].dts - now);
    now = index.packets[number].dts;
    packet->pts = packet->dts = number;
    codec.feed(packet.get(), note);
    // Dropping needs the certainty that these streams lack.
    index.packets[number].flags &= ~static_cast<std::uint32_t>(Packet::kDroppable);
    ++number;
  }
  codec.feed(nullptr, note);

  index.display_order.clear();
  std::vector<std::int64_t> times;
  bool rising = true;
  for (const std::uint32_t number_shown : shown) {
    Packet& entry = index.packets[number_shown];
    entry.flags &= ~static_cast<std::uint32_t>(Packet::kHidden);
    index.display_order.push_back(number_shown);
    if (!times.empty() && entry.pts <= times.back()) rising = false;
    times.push_back(entry.pts);
  }
  for (std::size_t i = 0; i < seen.size(); ++i) {
    if (!seen[i]) index.packets[i].flags |= Packet::kHidden;
    if (!starts[i]) index.packets[i].flags &= ~static_cast<std::uint32_t>(Packet::kKey);
  }
  // avi stores no pts, program streams not each. A player shows a picture without one when it
  // leaves the decoder, at the decoding time of the packet that went in; those left at the end
  // follow at the last step. Packets that become nothing before the first picture do not delay it.
  if (!lacks_pts.empty() && !came_at.empty()) {
    first_out = std::min(first_out, number - 1);  // it may have come out at the very end
    std::uint32_t empty = 0;
    for (std::uint32_t i = 0; i < first_out; ++i) empty += seen[i] ? 0 : 1;
    const std::int64_t late = index.packets[first_out].dts - index.packets[first_out - empty].dts;
    for (std::int64_t& time : came_at) time -= late;
    for (std::size_t i = 0; i < times.size() && i < came_at.size(); ++i) {
      if (lacks_pts[shown[i]]) times[i] = came_at[i];
    }
    // what was told and what was guessed contradict each other
    if (late != 0 || !std::is_sorted(times.begin(), times.end())) times = std::move(came_at);
  }
  if (!rising) std::sort(times.begin(), times.end());
  index.pts = std::move(times);
}

}  // namespace deepsport
