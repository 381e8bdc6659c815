// moov: finds the one video track, moves it by its edit list, checks it against the bitstream.
#include "index/mp4.hpp"

#include <algorithm>

#include "index/bitstream.hpp"
#include "video/orientation.hpp"

namespace deepsport {
namespace {

constexpr std::uint64_t kMostMoov = std::uint64_t{1} << 28;
constexpr std::size_t kCheckedStarts = 8;

// The moov box, when the file has one and nothing that adds samples outside of it.
std::optional<std::vector<std::uint8_t>> find_moov(const Source& source, Deadline& deadline) {
  std::optional<std::vector<std::uint8_t>> moov;
  std::uint64_t at = 0;
  while (at + 8 <= source.size()) {
    deadline.check("reading the boxes of an mp4");
    std::uint8_t head[16] = {};
    const Bytes bytes(head, source.read_at(at, head, sizeof head));
    std::uint64_t size = bytes.u32(0), header = 8;
    const std::uint32_t type = bytes.u32(4);
    if (size == 1) {
      size = bytes.u64(8);
      header = 16;
    } else if (size == 0) {
      size = source.size() - at;
    }
    if (!bytes.ok() || size < header || size > source.size() - at) return std::nullopt;
    if (type == four("moof") || type == four("mfra") || type == four("sidx")) return std::nullopt;
    if (at == 0 && type != four("ftyp") && type != four("moov") && type != four("mdat") &&
        type != four("wide") && type != four("free") && type != four("skip")) {
      return std::nullopt;  // no mp4 at all
    }
    if (type == four("moov")) {
      if (moov || size > kMostMoov) return std::nullopt;
      moov.emplace(static_cast<std::size_t>(size - header));
      if (source.read_at(at + header, moov->data(), moov->size()) != moov->size()) {
        return std::nullopt;
      }
    }
    at += size;
  }
  if (at != source.size()) return std::nullopt;
  return moov;
}

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

// Move times as a player does for one edit after at most one pause. Anything else is left alone.
bool apply_edits(const std::vector<Box>& trak, std::int64_t movie_scale, std::int64_t media_scale,
                 std::vector<Packet>& samples, std::int64_t& shift) {
  shift = 0;
  if (!any(trak, four("edts"))) return true;
  const auto edts = children(trak, four("edts"));
  if (!edts) return false;
  if (!any(*edts, four("elst"))) return true;
  const auto elst = only(*edts, four("elst"));
  if (!elst || movie_scale <= 0) return false;
  const std::size_t wide = elst->u8(0) == 1 ? 8 : 4;
  const std::uint32_t count = elst->u32(4);
  if (count < 1 || count > 2) return false;
  std::int64_t pause = 0, start = -1, length = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t at = 8 + i * (2 * wide + 4);
    const std::uint64_t duration = elst->number(at, wide);
    const std::int64_t time =
        wide == 8 ? static_cast<std::int64_t>(elst->u64(at + 8)) : elst->i32(at + 4);
    if (elst->u32(at + 2 * wide) != 0x10000 || duration > UINT32_MAX) return false;
    const auto scaled =
        (static_cast<std::int64_t>(duration) * media_scale + movie_scale / 2) / movie_scale;
    if (time == -1 && i == 0 && count == 2) {
      pause = scaled;
    } else if (time >= 0 && start < 0) {
      start = time;
      length = scaled;
    } else {
      return false;
    }
  }
  if (!elst->ok() || start < 0) return false;
  std::int64_t first = INT64_MAX, last = INT64_MIN;
  for (const Packet& sample : samples) {
    first = std::min(first, sample.pts);
    last = std::max(last, sample.pts);
  }
  // Cutting pictures off at either end is left to the scan.
  if (first < start || (length > 0 && last >= start + length)) return false;
  shift = pause - std::max(start, first);  // players begin at the first picture, not before it
  for (Packet& sample : samples) {
    sample.pts += shift;
    sample.dts += shift;
  }
  return true;
}

// Read a few packets: is their size the description's, are starts starts, is every packet a
// picture?
bool bitstream_agrees(const Source& source, FrameIndex& index) {
  const auto reader = make_bitstream_reader(index.stream);
  if (!reader->one_picture_per_packet()) return false;
  std::vector<std::uint8_t> bytes;
  const auto look = [&](const Packet& packet) {
    bytes.resize(packet.size);
    if (source.read_at(packet.offset, bytes.data(), bytes.size()) != bytes.size()) {
      return PacketKind{};
    }
    return reader->look(bytes.data(), bytes.size(), packet.is(Packet::kKey));
  };
  std::size_t starts = 0;
  for (const Packet& packet : index.packets) {
    if (!packet.is(Packet::kKey)) continue;
    const PacketKind kind = look(packet);
    if (!kind.known || !kind.picture || !kind.start) return false;
    int width = 0, height = 0;
    if (!reader->picture_size(width, height) || width != index.stream.coded_width ||
        height != index.stream.coded_height) {
      return false;
    }
    if (++starts == kCheckedStarts) break;
  }
  if (index.stream.sample_aspect_num == 0) reader->pixel_aspect(index.stream);
  // Pictures before the first start, and leading ones of it, may not be shown: let the scan see.
  return starts > 0 && index.packets.front().is(Packet::kKey) && index.display_order.front() == 0;
}

}  // namespace

std::optional<FrameIndex> read_sample_tables(const Source& source, const Limits& limits,
                                             Deadline deadline) {
  const auto bytes = find_moov(source, deadline);
  if (!bytes) return std::nullopt;
  const auto moov = boxes_in(Bytes(bytes->data(), bytes->size()));
  if (!moov || any(*moov, four("mvex")) || any(*moov, four("cmov"))) return std::nullopt;
  const auto mvhd = only(*moov, four("mvhd"));
  if (!mvhd) return std::nullopt;
  const std::size_t mvhd_wide = mvhd->u8(0) == 1 ? 12 : 0;
  if (!is_identity(*mvhd, 36 + mvhd_wide)) return std::nullopt;
  const std::int64_t movie_scale = mvhd->u32(mvhd_wide == 0 ? 12 : 20);

  std::optional<FrameIndex> found;
  for (const Box& box : *moov) {
    if (box.type != four("trak")) continue;
    const auto trak = boxes_in(box.content);
    if (!trak) return std::nullopt;
    const auto mdia = children(*trak, four("mdia"));
    if (!mdia) return std::nullopt;
    const auto hdlr = only(*mdia, four("hdlr"));
    if (!hdlr) return std::nullopt;
    if (hdlr->u32(8) != four("vide")) continue;
    if (found) return std::nullopt;  // which of two is a matter of taste
    const auto mdhd = only(*mdia, four("mdhd"));
    const auto minf = children(*mdia, four("minf"));
    const auto tkhd = only(*trak, four("tkhd"));
    if (!mdhd || !minf || !tkhd) return std::nullopt;
    const auto stbl = children(*minf, four("stbl"));
    if (!stbl) return std::nullopt;
    const auto stsd = only(*stbl, four("stsd"));
    FrameIndex index;
    index.origin = IndexOrigin::kSampleTable;
    if (!stsd || !read_sample_description(*stsd, index.stream)) return std::nullopt;
    const std::uint32_t scale = mdhd->u32(mdhd->u8(0) == 1 ? 20 : 12);
    if (scale == 0 || scale > INT32_MAX) return std::nullopt;
    index.stream.time_base_den = static_cast<int>(scale);
    std::int32_t matrix[9];
    const std::size_t matrix_at = tkhd->u8(0) == 1 ? 52 : 40;
    for (std::size_t i = 0; i < 9; ++i) matrix[i] = tkhd->i32(matrix_at + 4 * i);
    index.stream.orientation = orientation_of(matrix);
    std::int64_t end = 0, shift = 0;
    auto samples = read_samples(*stbl, limits.max_packets, end);
    if (!samples || samples->empty() || !tkhd->ok() || !mdhd->ok()) return std::nullopt;
    index.packets = std::move(*samples);
    if (!apply_edits(*trak, movie_scale, scale, index.packets, shift)) return std::nullopt;
    index.order_by_pts();
    const std::uint32_t last = index.display_order.back();
    const std::int64_t next =
        last + 1 < index.packets.size() ? index.packets[last + 1].dts : end + shift;
    std::int64_t shown = next - index.packets[last].dts;
    const std::size_t count = index.pts.size();
    // Some writers give the last sample no length, or one tick: it lasts as long as the one before.
    const std::int64_t before = count > 1 ? index.pts[count - 1] - index.pts[count - 2] : 0;
    if (shown * 8 < before) shown = before;
    index.end_pts = index.pts.back() + std::max<std::int64_t>(1, shown);
    found = std::move(index);
  }
  if (!found) return std::nullopt;
  const StreamFacts& stream = found->stream;
  if (std::int64_t{stream.coded_width} * stream.coded_height > limits.max_pixels)
    return std::nullopt;
  for (std::size_t i = 0; i < found->packets.size(); ++i) {
    const Packet& packet = found->packets[i];
    if (packet.size == 0 || packet.size > limits.max_packet_bytes ||
        packet.offset > source.size() || packet.size > source.size() - packet.offset) {
      return std::nullopt;
    }
    if (i > 0 && found->pts[i] == found->pts[i - 1]) return std::nullopt;
  }
  if (!bitstream_agrees(source, *found)) return std::nullopt;
  return found;
}

}  // namespace deepsport
