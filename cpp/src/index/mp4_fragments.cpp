// moof: samples of movie fragments (ISO 14496-12 8.8), in the order they lie in the file.
#include <bitset>
#include <utility>

#include "index/mp4.hpp"

namespace deepsport {
namespace {

constexpr std::int64_t kLatest = std::int64_t{1} << 60;  // ticks: sums of times stay in range

// tfhd flags, 8.8.7.1
constexpr std::uint32_t kBaseOffset = 1, kDescription = 2, kDuration = 8, kSize = 0x10,
                        kFlags = 0x20, kBaseIsMoof = 0x20000;
// trun flags, 8.8.8.1
constexpr std::uint32_t kRunOffset = 1, kFirstFlags = 4, kRunDuration = 0x100, kRunSize = 0x200,
                        kRunFlags = 0x400, kRunShift = 0x800;
// sample flags, 8.8.3.1: is no sync sample; depends on others
constexpr std::uint32_t kNoStart = 0x00010000 | 0x01000000;

struct Run {
  std::uint64_t base = 0;
  std::uint32_t duration = 0, size = 0, flags = 0;
};

// One trun. Times go on from `time`; every sample must lie in the file and have a length. All
// samples together have `room` bytes: runs that say the same bytes again and again would make many
// samples out of a small file.
bool read_run(const Bytes& trun, const Run& run, std::uint64_t file_size, std::int64_t max_packets,
              std::uint64_t& room, std::vector<Packet>& samples, std::int64_t& time) {
  const std::uint32_t what = trun.u32(0) & 0xffffff, count = trun.u32(4);
  if ((what & kRunOffset) == 0) return false;
  std::size_t at = 12;
  const std::int32_t jump = trun.i32(8);
  std::uint32_t first_flags = run.flags;
  if ((what & kFirstFlags) != 0) {
    first_flags = trun.u32(at);
    at += 4;
  }
  const std::size_t width = 4 * std::bitset<4>(what >> 8).count();
  if (!trun.ok() || count > max_packets - static_cast<std::int64_t>(samples.size()) ||
      (width > 0 && !trun.has(at, width * count))) {
    return false;
  }
  if (jump < 0 && run.base < static_cast<std::uint64_t>(-std::int64_t{jump})) return false;
  std::uint64_t offset = run.base + static_cast<std::uint64_t>(std::int64_t{jump});
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto field = [&](std::uint32_t bit, std::uint32_t otherwise) {
      if ((what & bit) == 0) return otherwise;
      at += 4;
      return trun.u32(at - 4);
    };
    const std::uint32_t duration = field(kRunDuration, run.duration);
    Packet sample;
    sample.size = field(kRunSize, run.size);
    const std::uint32_t flags = field(kRunFlags, i == 0 ? first_flags : run.flags);
    const auto shift = static_cast<std::int32_t>(field(kRunShift, 0));
    // FFmpeg moves later pictures when it meets a negative shift: that is left to the scan.
    if (shift < 0 || time > kLatest || sample.size == 0 || offset > file_size ||
        sample.size > file_size - offset || sample.size > room) {
      return false;
    }
    if (!samples.empty() && time <= samples.back().dts) return false;  // fragments overlap
    sample.dts = time;
    sample.pts = time + shift;
    sample.offset = offset;
    sample.flags = Packet::kDirect;
    if ((flags & kNoStart) == 0) sample.flags |= Packet::kKey;
    samples.push_back(sample);
    time += duration;
    offset += sample.size;
    room -= sample.size;
  }
  return true;
}

}  // namespace

std::optional<FragmentDefaults> read_fragment_defaults(const Bytes& mvex, std::uint32_t track) {
  const auto boxes = boxes_in(mvex);
  if (!boxes) return std::nullopt;
  std::optional<FragmentDefaults> found;
  for (const Box& box : *boxes) {
    if (box.type != four("trex") || box.content.u32(4) != track) continue;
    if (found || box.content.u32(8) != 1 || !box.content.has(0, 24)) return std::nullopt;
    found = FragmentDefaults{track, box.content.u32(12), box.content.u32(16), box.content.u32(20)};
  }
  return found;
}

bool read_fragment(const Bytes& moof, std::uint64_t moof_at, const FragmentDefaults& defaults,
                   std::uint64_t file_size, std::int64_t max_packets, std::uint64_t& room,
                   std::vector<Packet>& samples, std::int64_t& end) {
  const auto boxes = boxes_in(moof);
  if (!boxes || any(*boxes, four("pssh"))) return false;
  bool first = true, found = false;
  for (const Box& box : *boxes) {
    if (box.type != four("traf")) continue;
    const auto traf = boxes_in(box.content);
    const auto tfhd = traf ? only(*traf, four("tfhd")) : std::nullopt;
    if (!tfhd || !tfhd->has(0, 8)) return false;
    const bool is_first = std::exchange(first, false);
    if (tfhd->u32(4) != defaults.track) continue;
    if (std::exchange(found, true)) return false;
    for (const Box& part : *traf) {
      if (part.type == four("senc") || part.type == four("saiz") || part.type == four("uuid")) {
        return false;  // encryption
      }
      if (part.type == four("sbgp") && part.content.u32(4) != four("roll")) return false;
    }
    const std::uint32_t what = tfhd->u32(0);
    Run run{moof_at, defaults.duration, defaults.size, defaults.flags};
    std::size_t at = 8;
    if ((what & kBaseOffset) != 0) {
      run.base = tfhd->u64(at);
      at += 8;
      if (run.base > file_size) return false;
    } else if ((what & kBaseIsMoof) == 0 && !is_first) {
      return false;  // begins where another track's data end
    }
    if ((what & kDescription) != 0) {
      if (tfhd->u32(at) != 1) return false;
      at += 4;
    }
    for (const auto& [bit, into] : {std::pair{kDuration, &run.duration},
                                    std::pair{kSize, &run.size}, std::pair{kFlags, &run.flags}}) {
      if ((what & bit) == 0) continue;
      *into = tfhd->u32(at);
      at += 4;
    }
    const auto tfdt = only(*traf, four("tfdt"));
    if (!tfdt || !tfhd->ok()) return false;
    const std::uint64_t begins = tfdt->number(4, tfdt->u8(0) == 1 ? 8 : 4);
    if (!tfdt->ok() || begins > static_cast<std::uint64_t>(kLatest)) return false;
    auto time = static_cast<std::int64_t>(begins);
    for (const Box& part : *traf) {
      if (part.type == four("trun") &&
          !read_run(part.content, run, file_size, max_packets, room, samples, time)) {
        return false;
      }
    }
    end = time;
  }
  return true;
}

}  // namespace deepsport
