// Gathers a packet of the index from the packets of a transport stream over which it is scattered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "deepsport/index.hpp"

namespace deepsport {

class TransportPayload {
 public:
  /// `packet_bytes`: from one transport packet to the next, 188 or 192.
  TransportPayload(const Source& source, std::size_t packet_bytes)
      : source_(source), packet_bytes_(packet_bytes) {}

  /// Copy the bytes of a packet of the index; false when the file holds something else in its
  /// place: other times, another length, no PES. @throws Error kTimeout, kCancelled, kIo.
  bool read(const Packet& entry, std::uint8_t* into, Deadline deadline);

 private:
  const std::uint8_t* packet_at(std::uint64_t offset, std::size_t left, Deadline& deadline);

  const Source& source_;
  std::size_t packet_bytes_;
  std::vector<std::uint8_t> window_;
  std::uint64_t begin_ = 0;
  std::size_t held_ = 0;
};

}  // namespace deepsport
