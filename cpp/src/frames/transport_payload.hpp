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

  /// Copy `size` bytes of the PES that begins at byte `offset`; false when the file holds
  /// something else there, or ends before. @throws Error kTimeout, kCancelled, kIo.
  bool read(std::uint64_t offset, std::uint8_t* into, std::size_t size, Deadline deadline);

 private:
  const std::uint8_t* packet_at(std::uint64_t offset, std::size_t left, Deadline& deadline);

  const Source& source_;
  std::size_t packet_bytes_;
  std::vector<std::uint8_t> window_;
  std::uint64_t begin_ = 0;
  std::size_t held_ = 0;
};

}  // namespace deepsport
