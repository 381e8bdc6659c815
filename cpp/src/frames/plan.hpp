// Which packets to decode for a set of frames. Pure: no file, no decoder.
#pragma once

#include <cstdint>
#include <vector>

#include "deepsport/index.hpp"

namespace deepsport {

/// A run of packets from a start to the last one whose picture is wanted.
struct Segment {
  std::uint32_t start = 0;
  std::vector<std::uint32_t> targets;  ///< packets whose pictures are wanted, ascending, no repeats
};

/// Where decoding must begin for the picture of a packet: the last start before it, in decoding
/// order, that is also shown before it. Open groups of pictures have leading pictures that are
/// decoded after a start and shown before it: those need the start before that.
std::uint32_t start_for(const FrameIndex& index, std::uint32_t packet);

/// Can the picture of a packet be decoded when decoding begins at `start`? Leading pictures of an
/// open group cannot.
bool can_be_decoded_from(const FrameIndex& index, std::uint32_t start, std::uint32_t packet);

/// Segments in decoding order, disjoint; every frame's packet is a target of exactly one.
std::vector<Segment> plan_segments(const FrameIndex& index,
                                   const std::vector<std::int64_t>& frames);

/// Longest first, so that no worker is left with a long one at the end.
void sort_by_length(std::vector<Segment>& segments);

}  // namespace deepsport
