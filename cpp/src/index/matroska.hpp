// The index of a Matroska or WebM file from the headers of its blocks (RFC 9559): clusters are
// walked, contents skipped. Whatever is not exactly understood is left to the packet scan. Cues are
// not used: they name a few blocks, an exact index needs all.
#pragma once

#include <cstdint>
#include <optional>

#include "deepsport/index.hpp"
#include "index/boxes.hpp"

namespace deepsport {

/// Read the index from block headers; nothing when the file is no Matroska, is damaged or
/// truncated, or uses a feature whose effect on players is not certain (lacing, compression,
/// encryption, several video tracks, repeated times, ...).
std::optional<FrameIndex> read_block_headers(const Source& source, const Limits& limits,
                                             Deadline deadline);

/// What Tracks says of the one video track.
struct MatroskaTrack {
  std::uint64_t number = 0;
  std::uint64_t frame_ns = 0;  ///< nominal length of a frame; zero when not given
  StreamFacts facts;           ///< without a time base
};
/// Nothing when there is no video track, more than one, or one that is not understood.
std::optional<MatroskaTrack> read_matroska_tracks(const Bytes& tracks);

}  // namespace deepsport
