// One packet of a transport stream and the header of a packetized elementary stream (PES) that may
// begin in it: ISO/IEC 13818-1 2.4.3.2 and 2.4.3.7. What the bytes mean is for others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace deepsport {

constexpr std::size_t kTransportPacket = 188;  // bytes; others may stand between two packets
constexpr std::uint32_t kTransportPids = 8192;

struct TransportPacket {
  std::uint32_t pid = 0;
  bool starts = false;     ///< a section or PES begins in it
  bool in_error = false;   ///< a receiver says that bits are wrong
  bool scrambled = false;  ///< encrypted
  bool has_payload = false;
  std::uint32_t counter = 0;  ///< modulo 16; counts packets with payload
  const std::uint8_t* payload = nullptr;
  std::size_t size = 0;  ///< of the payload
};

/// Reads the 188 bytes at `bytes`; false when they do not begin a packet, or use a reserved value.
inline bool read_transport_packet(const std::uint8_t* bytes, TransportPacket& packet) noexcept {
  if (bytes[0] != 0x47) return false;
  packet.in_error = (bytes[1] & 0x80) != 0;
  packet.starts = (bytes[1] & 0x40) != 0;
  packet.pid = static_cast<std::uint32_t>((bytes[1] & 0x1F) << 8 | bytes[2]);
  packet.scrambled = (bytes[3] & 0xC0) != 0;
  packet.has_payload = (bytes[3] & 0x10) != 0;
  packet.counter = bytes[3] & 0x0F;
  std::size_t begin = 4;
  if ((bytes[3] & 0x20) != 0) {
    begin += std::size_t{1} + bytes[4];  // an adaptation field
  } else if (!packet.has_payload) {
    return false;
  }
  if (begin > kTransportPacket || (packet.has_payload && begin == kTransportPacket)) return false;
  packet.payload = bytes + begin;
  packet.size = packet.has_payload ? kTransportPacket - begin : 0;
  return true;
}

struct PesHeader {
  std::uint32_t stream_id = 0;
  std::size_t size = 0;      ///< of the header, in bytes
  std::size_t promised = 0;  ///< bytes of payload; zero when not said
  std::int64_t pts = 0, dts = 0;
};

/// Does a PES begin here? Sections begin with other bytes.
inline bool begins_pes(const std::uint8_t* data, std::size_t size) noexcept {
  return size >= 4 && data[0] == 0 && data[1] == 0 && data[2] == 1;
}

/// Reads a header that lies in `data` as a whole and has a presentation time; nothing otherwise.
inline std::optional<PesHeader> read_pes_header(const std::uint8_t* data,
                                                std::size_t size) noexcept {
  constexpr std::size_t kFixed = 9, kTime = 5;
  if (!begins_pes(data, size) || size < kFixed || (data[6] & 0xC0) != 0x80) return std::nullopt;
  const int times = data[7] >> 6;  // 2: one time, 3: two
  const bool scrambled = (data[6] & 0x30) != 0;
  PesHeader header;
  header.stream_id = data[3];
  header.size = kFixed + data[8];
  if (scrambled || times < 2 ||
      header.size < kFixed + kTime * static_cast<std::size_t>(times - 1) || header.size > size) {
    return std::nullopt;
  }
  const auto time_at = [data](std::size_t at) {
    return std::int64_t{data[at] >> 1 & 7} << 30 |
           std::int64_t{(data[at + 1] << 8 | data[at + 2]) >> 1} << 15 |
           std::int64_t{(data[at + 3] << 8 | data[at + 4]) >> 1};
  };
  header.pts = header.dts = time_at(kFixed);
  if (times == 3) header.dts = time_at(kFixed + kTime);
  const std::size_t length = static_cast<std::size_t>(data[4]) << 8 | data[5];
  if (length > 0) {
    if (length + 6 <= header.size) return std::nullopt;
    header.promised = length + 6 - header.size;
  }
  return header;
}

}  // namespace deepsport
