#include "frames/transport_payload.hpp"

#include <algorithm>
#include <cstring>

#include "index/transport_packet.hpp"

namespace deepsport {
namespace {

constexpr std::size_t kLeast = std::size_t{1} << 15, kMost = std::size_t{1} << 20;  // bytes a read

}  // namespace

// The transport packet at `offset`, read together with as many as `left` bytes of payload are
// likely to lie in.
const std::uint8_t* TransportPayload::packet_at(std::uint64_t offset, std::size_t left,
                                                Deadline& deadline) {
  if (offset < begin_ || offset - begin_ + packet_bytes_ > held_) {
    deadline.poll("reading packets");
    const std::size_t likely = std::min(left, kMost) / 8 * 9;  // headers, and a little sound
    window_.resize(std::clamp(likely, kLeast, kMost));
    held_ = source_.read_at(offset, window_.data(), window_.size());
    begin_ = offset;
    if (held_ < packet_bytes_) return nullptr;
  }
  return window_.data() + (offset - begin_) + (packet_bytes_ - kTransportPacket);
}

bool TransportPayload::read(std::uint64_t offset, std::uint8_t* into, std::size_t size,
                            Deadline deadline) {
  TransportPacket packet;
  std::uint32_t pid = kTransportPids;
  for (std::size_t done = 0; done < size; offset += packet_bytes_) {
    const std::uint8_t* bytes = packet_at(offset, size - done, deadline);
    if (bytes == nullptr || !read_transport_packet(bytes, packet)) return false;
    const bool is_first = pid == kTransportPids;
    if (is_first) pid = packet.pid;
    if (packet.pid != pid) continue;
    if (packet.starts != is_first) return false;
    const std::uint8_t* data = packet.payload;
    std::size_t count = packet.size;
    if (is_first) {
      const auto header = read_pes_header(data, count);
      if (!header) return false;
      data += header->size;
      count -= header->size;
    }
    count = std::min(count, size - done);
    std::memcpy(into + done, data, count);
    done += count;
  }
  return true;
}

}  // namespace deepsport
