// The index of a transport stream from its packets of 188 bytes, without a demuxer or parser. Every
// byte is read: nothing else tells where pictures begin. Whatever is not exactly understood is left
// to the packet scan.
#pragma once

#include <cstdint>
#include <optional>

#include "deepsport/index.hpp"

namespace deepsport {

/// Read the index of a transport stream with one video stream of H.264 or HEVC; nothing when the
/// file is no such stream, is damaged, or uses what is not certain (several programs, interlacing,
/// pictures that do not begin and end with a PES, parameter sets or tables that change, times that
/// wrap around, ...). @throws Error kTimeout, kCancelled, kIo.
std::optional<FrameIndex> read_transport_stream(const Source& source, const Limits& limits,
                                                Deadline deadline);

}  // namespace deepsport
