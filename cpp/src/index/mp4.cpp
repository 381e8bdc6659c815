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

std::optional<std::vector<Box>> children(const std::vector<Box>& boxes, std::uint32_t type) {
  const auto box = only(boxes, type);
  return box ? boxes_in(*box) : std::nullopt;
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
bool read_track(const Bytes& box, std::int64_t movie_scale, const std::optional<Bytes>& mvex,
                const Limits& limits, std::uint64_t file_size, std::optional<Track>& track) {
  const auto trak = boxes_in(box);
  const auto mdia = trak ? children(*trak, four("mdia")) : std::nullopt;
  const auto hdlr = mdia ? only(*mdia, four("hdlr")) : std::nullopt;
  if (!hdlr) return false;
  if (hdlr->u32(8) != four("vide")) return true;
  const auto mdhd = only(*mdia, four("mdhd"));
  const auto minf = children(*mdia, four("minf"));
  const auto tkhd = only(*trak, four("tkhd"));
  const auto stbl = minf ? children(*minf, four("stbl")) : std::nullopt;
  if (!mdhd || !tkhd || !stbl) return false;
  if (!mvex && sample_count(*stbl) == 0U) return true;  // no pictures, so no choice
  if (track) return false;                              // which of two is a matter of taste

  Track found;
  found.index.origin = IndexOrigin::kSampleTable;
  StreamFacts& stream = found.index.stream;
  const auto stsd = only(*stbl, four("stsd"));
  if (!stsd || !read_sample_description(*stsd, stream)) return false;
  const std::uint32_t scale = mdhd->u32(mdhd->u8(0) == 1 ? 20 : 12);
  if (scale == 0 || scale > INT32_MAX) return false;
  stream.time_base_den = static_cast<int>(scale);
  const bool wide = tkhd->u8(0) == 1;
  std::int32_t matrix[9];
  for (std::size_t i = 0; i < 9; ++i) matrix[i] = tkhd->i32((wide ? 52 : 40) + 4 * i);
  stream.orientation = orientation_of(matrix);
  const auto edit = read_edit(*trak, movie_scale, scale);
  auto samples = read_samples(*stbl, limits.max_packets, file_size, found.end);
  if (!edit || !samples || !tkhd->ok() || !mdhd->ok()) return false;
  found.edit = *edit;
  found.index.packets = std::move(*samples);
  found.samples_in_moov = found.index.packets.size();
  if (mvex) {
    found.fragments = read_fragment_defaults(*mvex, tkhd->u32(wide ? 20 : 12));
    if (!found.fragments) return false;
  }
  track = std::move(found);
  return true;
}

std::optional<Track> read_moov(const Bytes& bytes, const Limits& limits, std::uint64_t file_size) {
  const auto moov = boxes_in(bytes);
  if (!moov || any(*moov, four("cmov")) || any(*moov, four("pssh"))) return std::nullopt;
  const auto mvhd = only(*moov, four("mvhd"));
  const auto mvex = only(*moov, four("mvex"));
  if (!mvhd || (!mvex && any(*moov, four("mvex")))) return std::nullopt;
  const std::size_t wide = mvhd->u8(0) == 1 ? 12 : 0;
  if (!is_identity(*mvhd, 36 + wide)) return std::nullopt;
  const std::int64_t movie_scale = mvhd->u32(wide == 0 ? 12 : 20);
  std::optional<Track> track;
  for (const Box& box : *moov) {
    if (box.type == four("trak") &&
        !read_track(box.content, movie_scale, mvex, limits, file_size, track)) {
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
      const auto count = static_cast<std::size_t>(size - header);
      const std::uint8_t* content = ahead.at(at + header, count);
      if (content == nullptr) return std::nullopt;
      if (is_moov) {
        track = read_moov(Bytes(content, count), limits, file_size);
        if (!track) return std::nullopt;
        track->room = file_size;
      } else if (!track->fragments || !read_fragment(Bytes(content, count), at, *track->fragments,
                                                     file_size, limits.max_packets, track->room,
                                                     track->index.packets, track->end)) {
        return std::nullopt;
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
  std::int64_t shift = 0;
  if (!apply_edit(track->edit, index.packets.size() - track->samples_in_moov, index.packets,
                  shift)) {
    return std::nullopt;
  }
  index.order_by_pts();
  for (std::size_t i = 0; i < index.packets.size(); ++i) {
    const Packet& packet = index.packets[i];
    if (packet.size == 0 || packet.size > limits.max_packet_bytes ||
        packet.offset > source.size() || packet.size > source.size() - packet.offset) {
      return std::nullopt;
    }
    if (i > 0 && index.pts[i] == index.pts[i - 1]) return std::nullopt;
  }
  index.end_pts = end_of(index, track->end + shift);
  // Pictures before the first start, and leading ones of it, may not be shown: let the scan see.
  if (!index.packets.front().is(Packet::kKey) || index.display_order.front() != 0 ||
      !starts_agree(source, index)) {
    return std::nullopt;
  }
  return std::move(index);
}

}  // namespace deepsport
