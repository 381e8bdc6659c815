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
  const bool is_held = offset >= begin_ && offset - begin_ <= held_ &&
                       held_ - static_cast<std::size_t>(offset - begin_) >= packet_bytes_;
  if (!is_held) {
    deadline.poll("reading packets");
    const std::size_t likely = std::min(left, kMost) / 8 * 9;  // headers, and a little sound
    window_.resize(std::clamp(likely, kLeast, kMost));
    held_ = source_.read_at(offset, window_.data(), window_.size());
    begin_ = offset;
    if (held_ < packet_bytes_) return nullptr;
  }
  return window_.data() + (offset - begin_) + (packet_bytes_ - kTransportPacket);
}

bool TransportPayload::read(const Packet& entry, std::uint8_t* into, Deadline deadline) {
  const std::size_t size = entry.size;
  TransportPacket packet;
  std::uint32_t pid = kTransportPids;
  std::uint64_t offset = entry.offset;
  for (std::size_t done = 0; done < size; offset += packet_bytes_) {
    const std::uint8_t* bytes = packet_at(offset, size - done, deadline);
    if (bytes == nullptr || !read_transport_packet(bytes, packet)) return false;
    const bool is_first = pid == kTransportPids;
    if (is_first) pid = packet.pid;
    if (packet.pid != pid || !packet.has_payload) continue;
    if (packet.starts != is_first) return false;
    const std::uint8_t* data = packet.payload;
    std::size_t count = packet.size;
    if (is_first) {
      const auto header = read_pes_header(data, count);
      if (!header || header->pts != entry.pts || header->dts != entry.dts ||
          (header->promised != 0 && header->promised != size)) {
        return false;
      }
      data += header->size;
      count -= header->size;
    }
    if (count > size - done) return false;  // it goes on behind its end
    std::memcpy(into + done, data, count);
    done += count;
  }
  return true;
}

}  // namespace deepsport
