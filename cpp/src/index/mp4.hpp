// The sample tables of an mp4 or mov: the whole index from the moov box, without touching a packet.
// Whatever is not exactly understood is left to the packet scan.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "deepsport/index.hpp"
#include "index/boxes.hpp"

namespace deepsport {

/// Read the index from the tables; nothing when the file is no plain mp4, is fragmented, damaged or
/// truncated, or uses a feature whose effect on players is not certain.
std::optional<FrameIndex> read_sample_tables(const Source& source, const Limits& limits,
                                             Deadline deadline);

/// The picture's codec and size from a sample description; false when not understood.
bool read_sample_description(const Bytes& stsd, StreamFacts& facts);

/// stts, ctts, stss, stsz, stsc, stco/co64 as packets with times in media units, not yet moved by
/// an edit list; nothing when they contradict each other. `last` is the end of the last sample.
std::optional<std::vector<Packet>> read_samples(const std::vector<Box>& stbl,
                                                std::int64_t max_packets, std::int64_t& end);

}  // namespace deepsport
