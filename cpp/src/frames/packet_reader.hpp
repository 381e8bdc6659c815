// Hands out the packets of an index by number: read straight from the file where their place is
// known, gathered from a transport stream, else through the demuxer, checked by checksum.
#pragma once

#include <memory>

#include "deepsport/index.hpp"
#include "ffmpeg/demuxer.hpp"
#include "frames/transport_payload.hpp"

namespace deepsport {

class PacketReader {
 public:
  PacketReader(std::shared_ptr<const Source> source, const FrameIndex& index, const Limits& limits)
      : source_(std::move(source)),
        index_(index),
        limits_(limits),
        payload_(*source_, index.transport_packet_bytes) {}

  /// Fill `packet` with the bytes of packet `number`, its pts being the number.
  /// @throws Error kTruncated, kCorrupt when the file no longer matches its index, kTimeout, kIo.
  void read(std::uint32_t number, AVPacket* packet, const Deadline& deadline);

 private:
  void read_direct(const Packet& entry, AVPacket* packet) const;
  void read_scattered(std::uint32_t number, AVPacket* packet, const Deadline& deadline);
  bool jump(std::uint32_t number, AVPacket* packet);
  bool matches(std::uint32_t number, const AVPacket& packet) const;
  void read_through_demuxer(std::uint32_t number, AVPacket* packet, const Deadline& deadline);

  std::shared_ptr<const Source> source_;
  const FrameIndex& index_;
  Limits limits_;
  TransportPayload payload_;
  std::unique_ptr<ffmpeg::Demuxer> demuxer_;
  std::uint32_t next_ = 0;  // the packet the demuxer will hand out next
  bool may_jump_ = true;    // until a jump landed nowhere
};

}  // namespace deepsport
