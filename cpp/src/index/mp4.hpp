// The sample tables of an mp4 or mov: the whole index from moov and the headers of movie fragments,
// without touching a packet. Whatever is not exactly understood is left to the packet scan.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "deepsport/index.hpp"
#include "index/box_places.hpp"
#include "index/boxes.hpp"
#include "index/read_ahead.hpp"

namespace deepsport {

/// Read the index from the tables; nothing when the file is no mp4, is damaged or truncated, or
/// uses a feature whose effect on players is not certain.
std::optional<FrameIndex> read_sample_tables(const Source& source, const Limits& limits,
                                             Deadline deadline);

/// The picture's codec and size from a sample description; false when not understood.
bool read_sample_description(const Bytes& stsd, StreamFacts& facts);

/// How many samples stsz names; nothing when there is no such box.
std::optional<std::uint32_t> sample_count(ReadAhead& ahead, const std::vector<BoxPlace>& stbl);

/// stts, ctts, stss, stsz, stsc, stco/co64 as packets with times in media units, not yet moved by
/// an edit list; nothing when they contradict each other. `end` is the end of the last sample.
std::optional<std::vector<Packet>> read_samples(ReadAhead& ahead, const std::vector<BoxPlace>& stbl,
                                                std::int64_t max_packets, std::int64_t& end);

/// One edit after at most one pause, in media units.
struct Edit {
  bool there = false;
  std::int64_t pause = 0, start = 0;
  std::int64_t length = 0;  ///< zero: all of it
};
/// Nothing when the edit list asks for more than that.
std::optional<Edit> read_edit(ReadAhead& ahead, const std::vector<BoxPlace>& trak,
                              std::int64_t movie_scale, std::int64_t media_scale);
/// By how much a player moves the times of samples, of which the first is shown at `first` and the
/// last at `last`; nothing when the edit cuts pictures off. The last `in_fragments` of them come
/// from movie fragments.
std::optional<std::int64_t> edit_shift(const Edit& edit, std::int64_t first, std::int64_t last,
                                       std::size_t samples, std::size_t in_fragments);

/// What trex says of samples of which a fragment says nothing.
struct FragmentDefaults {
  std::uint32_t track = 0, duration = 0, size = 0, flags = 0;
};
/// Nothing when mvex does not name the track exactly once.
std::optional<FragmentDefaults> read_fragment_defaults(const Bytes& mvex, std::uint32_t track);
/// Append the samples of a moof at byte `moof_at`; false when it is not understood, when samples
/// lie outside of the file, or when they do not follow those before. `end` moves to the end of the
/// last. `room`: bytes that samples of fragments may still have.
bool read_fragment(const Bytes& moof, std::uint64_t moof_at, const FragmentDefaults& defaults,
                   std::uint64_t file_size, std::int64_t max_packets, std::uint64_t& room,
                   std::vector<Packet>& samples, std::int64_t& end);

}  // namespace deepsport
