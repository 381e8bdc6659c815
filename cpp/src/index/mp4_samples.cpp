// stbl: durations, offsets and sizes of samples (ISO 14496-12, 8.6 and 8.7). Tables are read in
// pieces: as a whole they would be as large as the index, and new memory costs more than reading.
#include <algorithm>

#include "index/mp4.hpp"

namespace deepsport {
namespace {

constexpr std::size_t kFullBox = 4;  // version and flags

std::uint32_t u32_at(const std::uint8_t* row) {
  return std::uint32_t{row[0]} << 24 | std::uint32_t{row[1]} << 16 | std::uint32_t{row[2]} << 8 |
         row[3];
}
std::uint64_t u64_at(const std::uint8_t* row) {
  return std::uint64_t{u32_at(row)} << 32 | u32_at(row + 4);
}

// Rows of `width` bytes.
struct Table {
  std::uint64_t begin = 0;  // in the file
  std::size_t width = 0;
  std::uint32_t count = 0;
};

// The table behind a count; nothing when the count does not fit the box.
std::optional<Table> table_of(ReadAhead& ahead, const std::vector<BoxPlace>& stbl,
                              std::uint32_t type, std::size_t width) {
  const BoxPlace* box = only_box(stbl, type);
  if (box == nullptr || box->size < kFullBox + 4) return std::nullopt;
  const Bytes head = content_of(ahead, *box, kFullBox + 4);
  const Table table{box->begin + kFullBox + 4, width, head.u32(kFullBox)};
  if (!head.ok() || (box->size - kFullBox - 4) / width < table.count) return std::nullopt;
  return table;
}

// Goes through a table, a piece at a time.
class Rows {
 public:
  Rows(ReadAhead& ahead, const Table& table)
      : ahead_(ahead), width_(table.width), at_(table.begin), left_(table.count) {}

  /// The next rows, at least one, until `ahead` is used again; null at the end, or when the file is
  /// shorter than it was.
  const std::uint8_t* next(std::uint32_t most, std::uint32_t& count) {
    constexpr std::size_t kPiece = std::size_t{1} << 15;
    count = std::min({most, left_, static_cast<std::uint32_t>(kPiece / width_)});
    if (count == 0) return nullptr;
    const std::uint8_t* rows = ahead_.at(at_, count * width_);
    at_ += count * width_;
    left_ -= count;
    return rows;
  }
  std::uint32_t left() const noexcept {
    return left_;
  }

 private:
  ReadAhead& ahead_;
  std::size_t width_;
  std::uint64_t at_;
  std::uint32_t left_;
};

// Calls `take` for each row; false when it refuses one.
template <typename Take>
bool each_row(ReadAhead& ahead, const Table& table, const Take& take) {
  Rows rows(ahead, table);
  std::uint32_t count = 0;
  while (rows.left() > 0) {
    const std::uint8_t* row = rows.next(UINT32_MAX, count);
    if (row == nullptr) return false;
    for (; count > 0; --count, row += table.width) {
      if (!take(row)) return false;
    }
  }
  return true;
}

bool read_sizes(ReadAhead& ahead, const std::vector<BoxPlace>& stbl, std::int64_t max_packets,
                std::vector<Packet>& samples) {
  const BoxPlace* box = only_box(stbl, four("stsz"));
  if (box == nullptr) return false;
  const Bytes head = content_of(ahead, *box, 12);
  const std::uint32_t same = head.u32(4), count = head.u32(8);
  if (!head.ok() || count > max_packets || (same == 0 && (box->size - 12) / 4 < count)) {
    return false;
  }
  if (same != 0 && count > ahead.size() / same)
    return false;  // a few bytes must not ask for gigabytes
  if (same != 0) {
    Packet sample;
    sample.size = same;
    sample.flags = Packet::kDirect;
    samples.assign(count, sample);
    return true;
  }
  samples.reserve(count);
  return each_row(ahead, {box->begin + 12, 4, count}, [&](const std::uint8_t* row) {
    Packet& sample = samples.emplace_back();
    sample.size = u32_at(row);
    sample.flags = Packet::kDirect;
    return true;
  });
}

bool read_times(ReadAhead& ahead, const std::vector<BoxPlace>& stbl, std::vector<Packet>& samples,
                std::int64_t& end) {
  const auto durations = table_of(ahead, stbl, four("stts"), 8);
  if (!durations) return false;
  Packet* next = samples.data();
  Packet* const last = next + samples.size();
  std::int64_t time = 0;
  const auto take_duration = [&](const std::uint8_t* row) {
    const std::uint32_t count = u32_at(row);
    const auto step = static_cast<std::int32_t>(u32_at(row + 4));
    if (step < 0 || count > last - next) return false;
    for (Packet* const stop = next + count; next != stop; ++next, time += step) {
      next->pts = next->dts = time;
    }
    return true;
  };
  if (!each_row(ahead, *durations, take_duration) || next != last) return false;
  end = time;
  if (!any(stbl, four("ctts"))) return true;
  const auto shifts = table_of(ahead, stbl, four("ctts"), 8);
  if (!shifts) return false;
  next = samples.data();
  const auto take_shift = [&](const std::uint8_t* row) {
    const std::uint32_t count = u32_at(row);
    const auto shift = static_cast<std::int32_t>(u32_at(row + 4));
    if (count > last - next) return false;
    for (Packet* const stop = next + count; next != stop; ++next) next->pts += shift;
    return true;
  };
  return each_row(ahead, *shifts, take_shift) && next == last;
}

// stsc: from chunk `first` on each chunk has `each` samples.
struct Run {
  std::uint32_t first = 0, each = 0;
};

bool read_places(ReadAhead& ahead, const std::vector<BoxPlace>& stbl,
                 std::vector<Packet>& samples) {
  const bool wide = any(stbl, four("co64"));
  if (wide == any(stbl, four("stco"))) return false;
  const auto chunks = table_of(ahead, stbl, wide ? four("co64") : four("stco"), wide ? 8 : 4);
  const auto table = table_of(ahead, stbl, four("stsc"), 12);
  if (!chunks || !table) return false;
  if (table->count == 0) return samples.empty();
  std::vector<Run> runs;  // no more than chunks
  const auto take_run = [&](const std::uint8_t* row) {
    const Run run{u32_at(row), u32_at(row + 4)};
    if (u32_at(row + 8) != 1) return false;  // a second sample description
    if (run.first <= (runs.empty() ? 0 : runs.back().first) || run.first > chunks->count) {
      return false;
    }
    runs.push_back(run);
    return true;
  };
  if (!each_row(ahead, *table, take_run)) return false;
  Table used = *chunks;  // none before the first run
  used.begin += std::uint64_t{runs.front().first - 1} * used.width;
  used.count -= runs.front().first - 1;
  Rows rows(ahead, used);
  Packet* next = samples.data();
  Packet* const last = next + samples.size();
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const std::uint32_t each = runs[i].each;
    std::uint32_t left =
        (i + 1 < runs.size() ? runs[i + 1].first : chunks->count + 1) - runs[i].first;
    while (left > 0) {
      std::uint32_t count = 0;
      const std::uint8_t* row = rows.next(left, count);
      if (row == nullptr) return false;
      left -= count;
      for (; count > 0; --count, row += used.width) {
        if (each > last - next) return false;
        std::uint64_t offset = wide ? u64_at(row) : u32_at(row);
        for (Packet* const stop = next + each; next != stop; ++next) {
          next->offset = offset;
          offset += next->size;
        }
      }
    }
  }
  return next == last;
}

bool read_starts(ReadAhead& ahead, const std::vector<BoxPlace>& stbl,
                 std::vector<Packet>& samples) {
  if (!any(stbl, four("stss"))) {
    for (Packet& sample : samples) sample.flags |= Packet::kKey;
    return true;
  }
  const auto starts = table_of(ahead, stbl, four("stss"), 4);
  return starts && each_row(ahead, *starts, [&](const std::uint8_t* row) {
           const std::uint32_t sample = u32_at(row);
           if (sample < 1 || sample > samples.size()) return false;
           samples[sample - 1].flags |= Packet::kKey;
           return true;
         });
}

}  // namespace

std::optional<std::uint32_t> sample_count(ReadAhead& ahead, const std::vector<BoxPlace>& stbl) {
  const BoxPlace* box = only_box(stbl, four("stsz"));
  if (box == nullptr) return std::nullopt;
  const Bytes head = content_of(ahead, *box, 12);
  const std::uint32_t count = head.u32(8);
  return head.ok() ? std::optional<std::uint32_t>(count) : std::nullopt;
}

std::optional<std::vector<Packet>> read_samples(ReadAhead& ahead, const std::vector<BoxPlace>& stbl,
                                                std::int64_t max_packets, std::int64_t& end) {
  for (const std::uint32_t unsure : {four("stps"), four("stz2"), four("saiz")}) {
    if (any(stbl, unsure)) return std::nullopt;  // partial starts, packed sizes, encryption
  }
  for (const BoxPlace& box : stbl) {  // groups say more about starts, but 'roll' only of gradual
    if (box.type != four("sbgp")) continue;
    if (content_of(ahead, box, 8).u32(4) != four("roll")) return std::nullopt;
  }
  std::vector<Packet> samples;
  if (!read_sizes(ahead, stbl, max_packets, samples) || !read_times(ahead, stbl, samples, end) ||
      !read_places(ahead, stbl, samples) || !read_starts(ahead, stbl, samples)) {
    return std::nullopt;
  }
  return samples;
}

}  // namespace deepsport
