// Walks the boxes of a file: finds the one video track, adds its fragments, moves times by its edit
// list, checks them against the bitstream.
#include "index/mp4.hpp"

#include <algorithm>

#include "index/read_ahead.hpp"
#include "index/starts.hpp"
#include "video/orientation.hpp"

namespace deepsport {
namespace {

constexpr std::uint64_t kMostHeaders = std::uint64_t{1} << 28;  // bytes of a moov or moof

std::optional<std::vector<BoxPlace>> children(ReadAhead& ahead, const std::vector<BoxPlace>& boxes,
                                              std::uint32_t type) {
  const BoxPlace* box = only_box(boxes, type);
  return box != nullptr ? boxes_at(ahead, *box) : std::nullopt;
}

bool is_identity(const Bytes& box, std::size_t at) {
  static constexpr std::uint32_t kIdentity[9] = {0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000};
  for (std::size_t i = 0; i < 9; ++i) {
    if (box.u32(at + 4 * i) != kIdentity[i]) return false;
  }
  return box.ok();
}

// The one video track that has samples.
struct Track {
  FrameIndex index;
  Edit edit;
  std::optional<FragmentDefaults> fragments;
  std::int64_t end = 0;             // of the last sample, in media time
  std::size_t samples_in_moov = 0;  // the rest comes from fragments
  std::uint64_t room = 0;           // bytes that those may still have
};

// A trak box. Fills `track` when it is a video track with something in it; false when it is not
// understood.
bool read_track(ReadAhead& ahead, const BoxPlace& box, std::int64_t movie_scale,
                const BoxPlace* mvex, const Limits& limits, std::optional<Track>& track) {
  const auto trak = boxes_at(ahead, box);
  const auto mdia = trak ? children(ahead, *trak, four("mdia")) : std::nullopt;
  const BoxPlace* hdlr = mdia ? only_box(*mdia, four("hdlr")) : nullptr;
  if (hdlr == nullptr) return false;
  if (content_of(ahead, *hdlr, 12).u32(8) != four("vide")) return true;
  const BoxPlace* mdhd = only_box(*mdia, four("mdhd"));
  const BoxPlace* tkhd = only_box(*trak, four("tkhd"));
  const auto minf = children(ahead, *mdia, four("minf"));
  const auto stbl = minf ? children(ahead, *minf, four("stbl")) : std::nullopt;
  if (mdhd == nullptr || tkhd == nullptr || !stbl) return false;
  if (mvex == nullptr && sample_count(ahead, *stbl) == 0U) return true;  // no pictures: no choice
  if (track) return false;  // which of two is a matter of taste

  Track found;
  found.index.origin = IndexOrigin::kSampleTable;
  StreamFacts& stream = found.index.stream;
  const BoxPlace* stsd = only_box(*stbl, four("stsd"));
  if (stsd == nullptr || !read_sample_description(content_of(ahead, *stsd), stream)) return false;
  const Bytes media = content_of(ahead, *mdhd);
  const std::uint32_t scale = media.u32(media.u8(0) == 1 ? 20 : 12);
  if (!media.ok() || scale == 0 || scale > INT32_MAX) return false;
  stream.time_base_den = static_cast<int>(scale);
  const Bytes header = content_of(ahead, *tkhd);
  const bool wide = header.u8(0) == 1;
  const std::uint32_t number = header.u32(wide ? 20 : 12);
  std::int32_t matrix[9];
  for (std::size_t i = 0; i < 9; ++i) matrix[i] = header.i32((wide ? 52 : 40) + 4 * i);
  stream.orientation = orientation_of(matrix);
  if (!header.ok()) return false;
  const auto edit = read_edit(ahead, *trak, movie_scale, scale);
  if (!edit) return false;
  found.edit = *edit;
  auto samples = read_samples(ahead, *stbl, limits.max_packets, found.end);
  if (!samples) return false;
  found.index.packets = std::move(*samples);
  found.samples_in_moov = found.index.packets.size();
  if (mvex != nullptr) {
    found.fragments = read_fragment_defaults(content_of(ahead, *mvex), number);
    if (!found.fragments) return false;
  }
  track = std::move(found);
  return true;
}

std::optional<Track> read_moov(ReadAhead& ahead, const BoxPlace& place, const Limits& limits) {
  const auto moov = boxes_at(ahead, place);
  if (!moov || any(*moov, four("cmov")) || any(*moov, four("pssh"))) return std::nullopt;
  const BoxPlace* mvhd = only_box(*moov, four("mvhd"));
  const BoxPlace* mvex = only_box(*moov, four("mvex"));
  if (mvhd == nullptr || (mvex == nullptr && any(*moov, four("mvex")))) return std::nullopt;
  const Bytes header = content_of(ahead, *mvhd);
  const std::size_t wide = header.u8(0) == 1 ? 12 : 0;
  if (!is_identity(header, 36 + wide)) return std::nullopt;
  const std::int64_t movie_scale = header.u32(wide == 0 ? 12 : 20);
  std::optional<Track> track;
  for (const BoxPlace& box : *moov) {
    if (box.type == four("trak") && !read_track(ahead, box, movie_scale, mvex, limits, track)) {
      return std::nullopt;
    }
  }
  return track;
}

// All boxes of the file, one after the other. Index boxes of fragments (sidx, mfra) only repeat
// what the fragments say.
std::optional<Track> walk(const Source& source, const Limits& limits, Deadline& deadline) {
  std::optional<Track> track;
  ReadAhead ahead(source, deadline, "reading the boxes of an mp4");
  const std::uint64_t file_size = source.size();
  std::uint64_t at = 0;
  while (at + 8 <= file_size) {
    std::size_t got = 0;
    const std::uint8_t* head = ahead.up_to(at, 16, got);
    if (head == nullptr) return std::nullopt;
    const Bytes bytes(head, got);
    const std::uint32_t type = bytes.u32(4);
    std::uint64_t size = bytes.u32(0), header = 8;
    if (size == 1) {
      size = bytes.u64(8);
      header = 16;
    } else if (size == 0) {
      size = file_size - at;
    }
    if (!bytes.ok() || size < header || size > file_size - at) return std::nullopt;
    if (at == 0 && type != four("ftyp") && type != four("styp") && type != four("moov") &&
        type != four("mdat") && type != four("wide") && type != four("free") &&
        type != four("skip")) {
      return std::nullopt;  // no mp4 at all
    }
    const bool is_moov = type == four("moov"), is_moof = type == four("moof");
    if (is_moov || is_moof) {
      if (size > kMostHeaders || is_moov == track.has_value()) return std::nullopt;
      const BoxPlace place{type, at + header, size - header};
      if (is_moov) {
        track = read_moov(ahead, place, limits);
        if (!track) return std::nullopt;
        track->room = file_size;
      } else {
        const Bytes moof = content_of(ahead, place, kMostHeaders);
        if (moof.size() != place.size || !track->fragments ||
            !read_fragment(moof, at, *track->fragments, file_size, limits.max_packets, track->room,
                           track->index.packets, track->end)) {
          return std::nullopt;
        }
      }
    }
    at += size;
  }
  if (at != file_size || !track || track->index.packets.empty()) return std::nullopt;
  return track;
}

// When the last picture goes.
std::int64_t end_of(const FrameIndex& index, std::int64_t end) {
  const std::uint32_t last = index.display_order.back();
  const std::int64_t next = last + 1 < index.packets.size() ? index.packets[last + 1].dts : end;
  std::int64_t shown = next - index.packets[last].dts;
  // Some writers give the last sample no length, or one tick: it lasts as long as the one before.
  const std::size_t count = index.pts.size();
  const std::int64_t before = count > 1 ? index.pts[count - 1] - index.pts[count - 2] : 0;
  if (shown * 8 < before) shown = before;
  return index.pts.back() + std::max<std::int64_t>(1, shown);
}

}  // namespace

std::optional<FrameIndex> read_sample_tables(const Source& source, const Limits& limits,
                                             Deadline deadline) {
  auto track = walk(source, limits, deadline);
  if (!track) return std::nullopt;
  FrameIndex& index = track->index;
  const StreamFacts& stream = index.stream;
  if (std::int64_t{stream.coded_width} * stream.coded_height > limits.max_pixels)
    return std::nullopt;
  index.order_by_pts();
  if (std::adjacent_find(index.pts.begin(), index.pts.end()) != index.pts.end())
    return std::nullopt;
  const std::size_t count = index.packets.size();
  const auto shift = edit_shift(track->edit, index.pts.front(), index.pts.back(), count,
                                count - track->samples_in_moov);
  if (!shift) return std::nullopt;
  const std::uint64_t file_size = source.size();
  for (Packet& packet : index.packets) {
    if (packet.size == 0 || packet.size > limits.max_packet_bytes || packet.offset > file_size ||
        packet.size > file_size - packet.offset) {
      return std::nullopt;
    }
    packet.pts += *shift;
    packet.dts += *shift;
  }
  for (std::int64_t& time : index.pts) time += *shift;
  index.end_pts = end_of(index, track->end + *shift);
  // Pictures before the first start, and leading ones of it, may not be shown: let the scan see.
  if (!index.packets.front().is(Packet::kKey) || index.display_order.front() != 0 ||
      !starts_agree(source, index)) {
    return std::nullopt;
  }
  return std::move(index);
}

}  // namespace deepsport
