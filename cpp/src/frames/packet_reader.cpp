#include "frames/packet_reader.hpp"

extern "C" {
#include <libavutil/crc.h>
}

namespace deepsport {
namespace {

[[noreturn]] void fail_changed(const Source& source, std::uint32_t number) {
  throw Error(Errc::kCorrupt, source.name() + ": packet " + std::to_string(number) +
                                  " is not what the index was made from; valid is the file as it "
                                  "was when opened: open it again");
}

}  // namespace

void PacketReader::read(std::uint32_t number, AVPacket* packet, const Deadline& deadline) {
  av_packet_unref(packet);
  const Packet& entry = index_.packets[number];
  if (entry.is(Packet::kDirect)) {
    read_direct(entry, packet);
  } else {
    read_through_demuxer(number, packet, deadline);
  }
  packet->pts = packet->dts = number;
  if (entry.is(Packet::kKey)) packet->flags |= AV_PKT_FLAG_KEY;
}

void PacketReader::read_direct(const Packet& entry, AVPacket* packet) const {
  if (av_new_packet(packet, static_cast<int>(entry.size)) < 0) throw std::bad_alloc();
  const std::size_t got = source_->read_at(entry.offset, packet->data, entry.size);
  if (got < entry.size) {
    throw Error(Errc::kTruncated, source_->name() + ": " + std::to_string(entry.size) +
                                      " bytes wanted at " + std::to_string(entry.offset) +
                                      ", the file ends after " + std::to_string(got) +
                                      "; valid is the file as it was when opened");
  }
}

void PacketReader::read_through_demuxer(std::uint32_t number, AVPacket* packet,
                                        const Deadline& deadline) {
  if (!demuxer_ || next_ > number) {
    demuxer_ = std::make_unique<ffmpeg::Demuxer>(source_, limits_, deadline);
    next_ = 0;
  }
  demuxer_->renew(deadline);
  for (; next_ <= number; ++next_) {
    if (!demuxer_->next(packet)) {
      demuxer_.reset();
      fail_changed(*source_, number);
    }
  }
  const Packet& entry = index_.packets[number];
  if (static_cast<std::uint32_t>(packet->size) != entry.size ||
      av_crc(av_crc_get_table(AV_CRC_32_IEEE_LE), 0, packet->data, entry.size) != entry.checksum) {
    demuxer_.reset();
    fail_changed(*source_, number);
  }
}

}  // namespace deepsport
