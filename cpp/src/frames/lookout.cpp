#include "frames/lookout.hpp"

namespace deepsport {

Lookout::Lookout(const FrameIndex& index) : index_(index) {
  if (index.packets_were_read()) return;
  reader_ = make_bitstream_reader(index.stream);
  if (index.stream.codec_id != AV_CODEC_ID_HEVC) return;
  // hvcC: numTemporalLayers, zero when unknown (ISO 14496-15 8.3.3.1.2).
  const auto& extra = index.stream.extradata;
  const std::uint32_t layers = extra.size() > 21 ? extra[21] >> 3 & 7u : 0;
  layers_known_ = layers > 0;
  droppable_layer_ = layers_known_ ? layers - 1 : 0;
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
