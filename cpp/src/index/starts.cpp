#include "index/starts.hpp"

#include <algorithm>

namespace deepsport {
namespace {

constexpr std::size_t kCheckedStarts = 8;
// Parameter sets and the first slice header; mostly they are found in less.
constexpr std::size_t kHead = std::size_t{1} << 14, kShortHead = std::size_t{1} << 11;

// What the first bytes of a packet say of it; nothing when they cannot be read or do not tell.
std::optional<PacketKind> glance_at(const Source& source, const Packet& packet,
                                    BitstreamReader& reader, std::vector<std::uint8_t>& head) {
  for (const std::size_t most : {kShortHead, kHead}) {
    head.resize(std::min<std::size_t>(packet.size, most));
    if (source.read_at(packet.offset, head.data(), head.size()) != head.size()) break;
    const auto kind = reader.glance(head.data(), head.size(), packet.size, true);
    if (kind || head.size() == packet.size) return kind;
  }
  return std::nullopt;
}

}  // namespace

bool starts_agree(const Source& source, FrameIndex& index) {
  const auto reader = make_bitstream_reader(index.stream);
  if (!reader->one_picture_per_packet()) return false;
  std::vector<std::uint8_t> head;
  std::size_t starts = 0;
  for (const Packet& packet : index.packets) {
    if (!packet.is(Packet::kKey)) continue;
    const auto kind = glance_at(source, packet, *reader, head);
    if (!kind || !kind->known || !kind->picture || !kind->start) return false;
    int width = 0, height = 0;
    if (!reader->picture_size(width, height) || width != index.stream.coded_width ||
        height != index.stream.coded_height) {
      return false;
    }
    if (++starts == kCheckedStarts) break;
  }
  if (!reader->one_picture_per_packet()) return false;  // a header on the way may say so
  reader->complete(index.stream);
  return starts > 0;
}

}  // namespace deepsport
