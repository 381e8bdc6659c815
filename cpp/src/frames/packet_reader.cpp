#include "frames/packet_reader.hpp"

#include "index/checksum.hpp"

namespace deepsport {
namespace {

constexpr std::uint32_t kFar = 64;        // packets worth jumping over rather than reading through
constexpr std::uint32_t kJumpSlack = 16;  // packets around the place where a jump may come up

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
  } else if (entry.is(Packet::kScattered)) {
    read_scattered(number, packet, deadline);
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

void PacketReader::read_scattered(std::uint32_t number, AVPacket* packet,
                                  const Deadline& deadline) {
  const Packet& entry = index_.packets[number];
  if (av_new_packet(packet, static_cast<int>(entry.size)) < 0) throw std::bad_alloc();
  if (!payload_.read(entry, packet->data, deadline)) fail_changed(*source_, number);
}

bool PacketReader::matches(std::uint32_t number, const AVPacket& packet) const {
  const Packet& entry = index_.packets[number];
  return static_cast<std::uint32_t>(packet.size) == entry.size &&
         static_cast<std::uint32_t>(checksum64(packet.data, entry.size)) == entry.checksum;
}

// Go to the byte where a packet begins and look where the demuxer comes up: the size and checksum
// of what it hands out must be those of that packet or of one shortly before it.
bool PacketReader::jump(std::uint32_t number, AVPacket* packet) {
  const auto offset = static_cast<std::int64_t>(index_.packets[number].offset);
  if (!demuxer_->seek_bytes(offset)) return false;
  const std::uint32_t earliest = number > kJumpSlack ? number - kJumpSlack : 0;
  for (std::uint32_t tries = 0; tries < kJumpSlack && demuxer_->next(packet); ++tries) {
    for (std::uint32_t candidate = number + 1; candidate-- > earliest;) {
      const bool same_place = packet->pos >= 0 && static_cast<std::uint64_t>(packet->pos) ==
                                                      index_.packets[candidate].offset;
      if (!same_place || !matches(candidate, *packet)) continue;
      next_ = candidate + 1;
      return true;
    }
  }
  return false;
}

void PacketReader::read_through_demuxer(std::uint32_t number, AVPacket* packet,
                                        const Deadline& deadline) {
  if (!demuxer_) {
    demuxer_ = std::make_unique<ffmpeg::Demuxer>(source_, limits_, deadline);
    next_ = 0;
  }
  demuxer_->renew(deadline);
  const bool far = number < next_ || number - next_ > kFar;
  bool holds_latest = false;  // `packet` is what the demuxer handed out last
  if (far && may_jump_ && number > kFar) {
    holds_latest = may_jump_ = jump(number, packet);
    if (!may_jump_) next_ = UINT32_MAX;  // nobody knows where it stands
  }
  if (next_ > number + (holds_latest ? 1 : 0)) {  // it has gone by: from the beginning
    demuxer_ = std::make_unique<ffmpeg::Demuxer>(source_, limits_, deadline);
    next_ = 0;
  }
  for (; next_ <= number; ++next_) {
    if (!demuxer_->next(packet)) {
      demuxer_.reset();
      fail_changed(*source_, number);
    }
  }
  if (!matches(number, *packet)) {
    demuxer_.reset();
    fail_changed(*source_, number);
  }
}

}  // namespace deepsport
