// The tables of a transport stream that name its streams: one program with one video stream, or
// nothing. ISO/IEC 13818-1 2.4.4.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "index/transport_packet.hpp"

namespace deepsport {

/// What a PID carries.
enum class PidRole : std::uint8_t {
  kUnknown,   ///< no table names it
  kIgnored,   ///< tables of no interest, stuffing
  kPrograms,  ///< the program association table (PAT)
  kStreams,   ///< the program map table (PMT)
  kVideo,
  kOther,  ///< another stream of the program
};

struct TransportProgram {
  enum StreamType : int { kH264 = 0x1B, kHevc = 0x24 };
  std::uint32_t video_pid = 0;
  int video_type = 0;
  std::array<PidRole, kTransportPids> roles{};
  std::vector<std::uint8_t> programs, streams;  ///< the two sections, as they stand
};

/// Finds both tables, packet by packet.
class ProgramFinder {
 public:
  /// False when the tables say something that is not handled here: several programs or video
  /// streams, sections over several packets, kinds of streams that a player might take for video.
  bool look(const TransportPacket& packet);
  bool found() const noexcept {
    return program.video_pid != 0;
  }

  TransportProgram program;

 private:
  bool read_programs();
  bool read_streams();
  bool add_stream(int type, std::uint32_t pid, const std::uint8_t* descriptors, std::size_t size);

  std::uint32_t number_ = 0, streams_pid_ = 0;
  bool is_blu_ray_ = false;
};

/// Is this the packet of a table that says the same again?
bool repeats_section(const TransportPacket& packet, const std::vector<std::uint8_t>& section);

}  // namespace deepsport
