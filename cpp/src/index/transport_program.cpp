#include "index/transport_program.hpp"

#include <algorithm>
#include <cstring>

namespace deepsport {
namespace {

constexpr std::size_t kChecksum = 4;
constexpr std::uint32_t kStuffing = 0x1FFF, kLastReserved = 0x1F;

// CRC-32 of annex A; of a whole section with its own checksum it is zero.
std::uint32_t crc32(const std::uint8_t* data, std::size_t size) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (std::size_t i = 0; i < size; ++i) {
    crc ^= static_cast<std::uint32_t>(data[i]) << 24;
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc & 0x80000000U) != 0 ? crc << 1 ^ 0x04C11DB7 : crc << 1;
  }
  return crc;
}

std::uint32_t u16(const std::uint8_t* data) {
  return static_cast<std::uint32_t>(data[0] << 8 | data[1]);
}
constexpr std::uint32_t four(const char (&name)[5]) {
  return static_cast<std::uint32_t>(static_cast<unsigned char>(name[0])) << 24 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(name[1])) << 16 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(name[2])) << 8 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(name[3]));
}

bool is_stuffing(const std::uint8_t* data, std::size_t size) {
  return std::all_of(data, data + size, [](std::uint8_t byte) { return byte == 0xFF; });
}

// A section that is the whole payload of one packet, the only one of its table, and valid now.
bool take_section(const TransportPacket& packet, int table, std::vector<std::uint8_t>& section) {
  constexpr std::size_t kHeader = 8;
  if (!packet.starts || packet.scrambled || packet.in_error ||
      packet.size < 1 + kHeader + kChecksum || packet.payload[0] != 0) {
    return false;
  }
  const std::uint8_t* data = packet.payload + 1;
  const std::size_t size = 3 + (u16(data + 1) & 0xFFF), held = packet.size - 1;
  if (data[0] != table || (data[1] & 0x80) == 0 || size < kHeader + kChecksum || size > held) {
    return false;
  }
  const bool is_current = (data[5] & 1) != 0;
  if (!is_current || data[6] != 0 || data[7] != 0 || crc32(data, size) != 0 ||
      !is_stuffing(data + size, held - size)) {
    return false;
  }
  section.assign(data, data + size);
  return true;
}

enum Descriptor : int { kRegistration = 0x05, kInitialObject = 0x1D };

// Calls `visit(tag, data, size)` for each; false when their lengths do not add up.
template <typename Visit>
bool each_descriptor(const std::uint8_t* data, std::size_t size, const Visit& visit) {
  for (std::size_t at = 0; at < size;) {
    if (size - at < 2 || data[at + 1] > size - at - 2) return false;
    visit(data[at], data + at + 2, std::size_t{data[at + 1]});
    at += std::size_t{2} + data[at + 1];
  }
  return true;
}

// Private data may be anything, also video: what it is must be said.
bool is_no_video(const std::uint8_t* descriptors, std::size_t size) {
  bool said = false, sure = true;
  const bool whole = each_descriptor(
      descriptors, size, [&](int tag, const std::uint8_t* data, std::size_t length) {
        switch (tag) {
          case 0x45:
          case 0x46:
          case 0x56:
          case 0x59:  // vertical blanking, teletext, subtitles
          case 0x6A:
          case 0x7A:
          case 0x7B:
          case 0x7C:  // AC-3, E-AC-3, DTS, AAC
            said = true;
            break;
          case kRegistration: {
            const std::uint32_t name = length >= 4 ? u16(data) << 16 | u16(data + 2) : 0;
            const std::uint32_t known[] = {four("AC-3"), four("EAC3"), four("DTS1"),
                                           four("DTS2"), four("DTS3"), four("Opus"),
                                           four("BSSD"), four("KLVA"), four("ID3 ")};
            const bool is_known =
                std::find(std::begin(known), std::end(known), name) != std::end(known);
            said = said || is_known;
            sure = sure && is_known;
            break;
          }
          default: break;
        }
      });
  return whole && said && sure;
}

}  // namespace

bool repeats_section(const TransportPacket& packet, const std::vector<std::uint8_t>& section) {
  const std::size_t size = section.size();
  return packet.starts && packet.size >= 1 + size && packet.payload[0] == 0 &&
         std::memcmp(packet.payload + 1, section.data(), size) == 0 &&
         is_stuffing(packet.payload + 1 + size, packet.size - 1 - size);
}

bool ProgramFinder::look(const TransportPacket& packet) {
  if (!packet.has_payload) return true;
  if (packet.pid == 0 && program.programs.empty()) {
    return take_section(packet, 0, program.programs) && read_programs();
  }
  if (packet.pid == streams_pid_ && streams_pid_ != 0 && program.streams.empty()) {
    return take_section(packet, 2, program.streams) && read_streams();
  }
  return true;
}

bool ProgramFinder::read_programs() {
  auto& roles = program.roles;
  std::fill(roles.begin(), roles.begin() + kLastReserved + 1, PidRole::kIgnored);
  roles[0] = PidRole::kPrograms;
  roles[kStuffing] = PidRole::kIgnored;
  const auto& section = program.programs;
  const std::size_t end = section.size() - kChecksum;
  if ((end - 8) % 4 != 0) return false;
  for (std::size_t at = 8; at < end; at += 4) {
    const std::uint32_t number = u16(&section[at]), pid = u16(&section[at + 2]) & 0x1FFF;
    if (pid <= kLastReserved && number != 0) return false;
    if (pid == kStuffing) return false;
    if (number == 0) {  // where the network is described
      if (pid > kLastReserved) roles[pid] = PidRole::kIgnored;
      continue;
    }
    if (streams_pid_ != 0 || roles[pid] != PidRole::kUnknown) return false;
    number_ = number;
    streams_pid_ = pid;
    roles[pid] = PidRole::kStreams;
  }
  return streams_pid_ != 0;
}

bool ProgramFinder::read_streams() {
  const auto& section = program.streams;
  const std::size_t end = section.size() - kChecksum;
  constexpr std::size_t kHeader = 12;
  if (end < kHeader || u16(&section[3]) != number_) return false;
  const std::size_t described = u16(&section[10]) & 0xFFF;
  bool sure = described <= end - kHeader;
  sure = sure &&
         each_descriptor(
             section.data() + kHeader, described,
             [&](int tag, const std::uint8_t* data, std::size_t size) {
               if (tag == kInitialObject) sure = false;  // MPEG-4 systems
               if (tag == kRegistration && size >= 4 && std::memcmp(data, "HDMV", 4) == 0) {
                 is_blu_ray_ = true;
               }
             }) &&
         sure;
  for (std::size_t at = kHeader + described; sure && at < end;) {
    if (end - at < 5) return false;
    const std::uint32_t pid = u16(&section[at + 1]) & 0x1FFF;
    const std::size_t size = u16(&section[at + 3]) & 0xFFF;
    if (size > end - at - 5) return false;
    sure = add_stream(section[at], pid, section.data() + at + 5, size);
    at += 5 + size;
  }
  return sure && found();
}

bool ProgramFinder::add_stream(int type, std::uint32_t pid, const std::uint8_t* descriptors,
                               std::size_t size) {
  PidRole& role = program.roles[pid];
  if (role != PidRole::kUnknown) return false;
  role = PidRole::kOther;
  switch (type) {
    case TransportProgram::kH264:
    case TransportProgram::kHevc:
      if (found()) return false;  // which of two is a matter of taste
      role = PidRole::kVideo;
      program.video_pid = pid;
      program.video_type = type;
      return true;
    case 0x03:
    case 0x04:
    case 0x0F:
    case 0x11:  // MPEG audio, AAC
    case 0x05:
    case 0x0A:
    case 0x0B:
    case 0x0C:
    case 0x0D:  // sections
    case 0x15:
    case 0x81:
    case 0x86:
    case 0x87:  // metadata, AC-3, cues, E-AC-3
      return true;
    case 0x06: return is_no_video(descriptors, size);
    case 0x80:
    case 0x82:
    case 0x83:
    case 0x84:
    case 0x85:  // sound and subtitles of Blu-ray
    case 0x90:
    case 0x91:
    case 0x92:
    case 0xA1:
    case 0xA2: return is_blu_ray_;
    default: return false;
  }
}

}  // namespace deepsport
