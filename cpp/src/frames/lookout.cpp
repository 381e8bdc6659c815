#include "frames/lookout.hpp"

#include <algorithm>

namespace deepsport {

Lookout::Lookout(const FrameIndex& index) : index_(index) {
  if (index.packets_were_read()) return;
  reader_ = make_bitstream_reader(index.stream);
  if (index.stream.codec_id != AV_CODEC_ID_HEVC) return;
  // From the parameter sets in the configuration; what hvcC says beside them is the container's
  // word.
  const int highest = reader_ ? reader_->highest_layer() : -1;
  layers_known_ = highest >= 0;
  droppable_layer_ = static_cast<std::uint32_t>(std::max(highest, 0));
}

bool Lookout::may_drop(std::uint32_t number, const AVPacket& packet) {
  const Packet& entry = index_.packets[number];
  if (!reader_) return entry.is(Packet::kDroppable);
  const PacketKind kind =
      reader_->look(packet.data, static_cast<std::size_t>(packet.size), entry.is(Packet::kKey));
  if (kind.layer > droppable_layer_) layers_known_ = false;  // the configuration was wrong
  return kind.known && kind.droppable && layers_known_ && kind.layer == droppable_layer_;
}

bool Lookout::is_start(std::uint32_t number, const AVPacket& packet) {
  const Packet& entry = index_.packets[number];
  if (!reader_) return true;
  const PacketKind kind =
      reader_->look(packet.data, static_cast<std::size_t>(packet.size), entry.is(Packet::kKey));
  return !kind.known || kind.start;
}

}  // namespace deepsport
