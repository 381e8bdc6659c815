// stbl: durations, offsets and sizes of samples (ISO 14496-12, 8.6 and 8.7).
#include <algorithm>

#include "index/mp4.hpp"

namespace deepsport {
namespace {

constexpr std::size_t kFullBox = 4;  // version and flags

// A table of `width`-byte rows behind a count; nothing when the count does not fit the box.
struct Table {
  Bytes rows;
  std::uint32_t count = 0;
};
std::optional<Table> table_of(const std::vector<Box>& stbl, std::uint32_t type, std::size_t width) {
  const auto box = only(stbl, type);
  if (!box || !box->has(0, kFullBox + 4)) return std::nullopt;
  Table table{box->after(kFullBox + 4), box->u32(kFullBox)};
  if (table.rows.size() / width < table.count) return std::nullopt;
  return table;
}

bool read_sizes(const std::vector<Box>& stbl, std::int64_t max_packets, std::uint64_t file_size,
                std::vector<Packet>& samples) {
  const auto box = only(stbl, four("stsz"));
  if (!box || !box->has(0, 12)) return false;
  const std::uint32_t same = box->u32(4), count = box->u32(8);
  if (count > max_packets || (same == 0 && !box->has(12, std::size_t{4} * count))) return false;
  if (same != 0 && count > file_size / same)
    return false;  // a few bytes must not ask for gigabytes
  samples.resize(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    samples[i].size = same != 0 ? same : box->u32(12 + std::size_t{4} * i);
    samples[i].flags = Packet::kDirect;
  }
  return true;
}

bool read_times(const std::vector<Box>& stbl, std::vector<Packet>& samples, std::int64_t& end) {
  const auto durations = table_of(stbl, four("stts"), 8);
  if (!durations) return false;
  std::size_t i = 0;
  std::int64_t time = 0;
  for (std::uint32_t row = 0; row < durations->count; ++row) {
    const std::uint32_t count = durations->rows.u32(std::size_t{8} * row);
    const std::int32_t step = durations->rows.i32(std::size_t{8} * row + 4);
    if (step < 0 || count > samples.size() - i) return false;
    for (std::uint32_t k = 0; k < count; ++k, time += step) {
      samples[i].pts = samples[i].dts = time;
      ++i;
    }
  }
  if (i != samples.size()) return false;
  end = time;
  if (!any(stbl, four("ctts"))) return true;
  const auto offsets = table_of(stbl, four("ctts"), 8);
  if (!offsets) return false;
  i = 0;
  for (std::uint32_t row = 0; row < offsets->count; ++row) {
    const std::uint32_t count = offsets->rows.u32(std::size_t{8} * row);
    const std::int32_t shift = offsets->rows.i32(std::size_t{8} * row + 4);
    if (count > samples.size() - i) return false;
    for (std::uint32_t k = 0; k < count; ++k) samples[i++].pts += shift;
  }
  return i == samples.size();
}

bool read_places(const std::vector<Box>& stbl, std::vector<Packet>& samples) {
  const bool wide = any(stbl, four("co64"));
  if (wide == any(stbl, four("stco"))) return false;
  const std::size_t width = wide ? 8 : 4;
  const auto chunks = table_of(stbl, wide ? four("co64") : four("stco"), width);
  const auto runs = table_of(stbl, four("stsc"), 12);
  if (!chunks || !runs) return false;
  std::size_t i = 0;
  for (std::uint32_t row = 0; row < runs->count; ++row) {
    const std::size_t at = std::size_t{12} * row;
    const std::uint32_t first = runs->rows.u32(at), each = runs->rows.u32(at + 4);
    if (runs->rows.u32(at + 8) != 1) return false;  // a second sample description
    const std::uint32_t next = row + 1 < runs->count ? runs->rows.u32(at + 12) : chunks->count + 1;
    if (first < 1 || next <= first || next > chunks->count + 1) return false;
    for (std::uint32_t chunk = first; chunk < next; ++chunk) {
      std::uint64_t offset = chunks->rows.number((chunk - 1) * width, width);
      for (std::uint32_t k = 0; k < each; ++k) {
        if (i == samples.size()) return false;
        samples[i].offset = offset;
        offset += samples[i++].size;
      }
    }
  }
  return i == samples.size();
}

bool read_starts(const std::vector<Box>& stbl, std::vector<Packet>& samples) {
  if (!any(stbl, four("stss"))) {
    for (Packet& sample : samples) sample.flags |= Packet::kKey;
    return true;
  }
  const auto starts = table_of(stbl, four("stss"), 4);
  if (!starts) return false;
  for (std::uint32_t row = 0; row < starts->count; ++row) {
    const std::uint32_t sample = starts->rows.u32(std::size_t{4} * row);
    if (sample < 1 || sample > samples.size()) return false;
    samples[sample - 1].flags |= Packet::kKey;
  }
  return true;
}

}  // namespace

std::optional<std::uint32_t> sample_count(const std::vector<Box>& stbl) {
  const auto box = only(stbl, four("stsz"));
  if (!box || !box->has(0, 12)) return std::nullopt;
  return box->u32(8);
}

std::optional<std::vector<Packet>> read_samples(const std::vector<Box>& stbl,
                                                std::int64_t max_packets, std::uint64_t file_size,
                                                std::int64_t& end) {
  for (const std::uint32_t unsure : {four("stps"), four("stz2"), four("saiz")}) {
    if (any(stbl, unsure)) return std::nullopt;  // partial starts, packed sizes, encryption
  }
  for (const Box& box : stbl) {  // groups say more about starts, but 'roll' only of gradual ones
    if (box.type == four("sbgp") && box.content.u32(4) != four("roll")) return std::nullopt;
  }
  std::vector<Packet> samples;
  if (!read_sizes(stbl, max_packets, file_size, samples) || !read_times(stbl, samples, end) ||
      !read_places(stbl, samples) || !read_starts(stbl, samples)) {
    return std::nullopt;
  }
  return samples;
}

}  // namespace deepsport
