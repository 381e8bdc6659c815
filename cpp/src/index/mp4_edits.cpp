// elst: one edit after at most one pause (ISO 14496-12 8.6.6). Anything else is left to the scan.
#include <algorithm>

#include "index/mp4.hpp"

namespace deepsport {

namespace {
constexpr std::int64_t kLatest = INT64_MAX / 4;  // ticks: sums of times stay in range
}

std::optional<Edit> read_edit(ReadAhead& ahead, const std::vector<BoxPlace>& trak,
                              std::int64_t movie_scale, std::int64_t media_scale) {
  if (!any(trak, four("edts"))) return Edit{};
  const BoxPlace* edts = only_box(trak, four("edts"));
  const auto boxes = edts != nullptr ? boxes_at(ahead, *edts) : std::nullopt;
  if (!boxes) return std::nullopt;
  if (!any(*boxes, four("elst"))) return Edit{};
  const BoxPlace* place = only_box(*boxes, four("elst"));
  if (place == nullptr || movie_scale <= 0) return std::nullopt;
  constexpr std::size_t kTwoEdits = 8 + 2 * 20;
  const Bytes list = content_of(ahead, *place, kTwoEdits);
  const std::size_t wide = list.u8(0) == 1 ? 8 : 4;
  const std::uint32_t count = list.u32(4);
  if (count < 1 || count > 2) return std::nullopt;
  Edit edit;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t at = 8 + i * (2 * wide + 4);
    const std::uint64_t duration = list.number(at, wide);
    const std::int64_t time =
        wide == 8 ? static_cast<std::int64_t>(list.u64(at + 8)) : list.i32(at + 4);
    if (list.u32(at + 2 * wide) != 0x10000 || duration > UINT32_MAX) return std::nullopt;
    const auto scaled =
        (static_cast<std::int64_t>(duration) * media_scale + movie_scale / 2) / movie_scale;
    if (scaled > kLatest) return std::nullopt;
    if (time == -1 && i == 0 && count == 2) {
      edit.pause = scaled;
    } else if (time >= 0 && time <= kLatest && !edit.there) {
      edit.there = true;
      edit.start = time;
      edit.length = scaled;
    } else {
      return std::nullopt;
    }
  }
  if (!list.ok() || !edit.there) return std::nullopt;
  return edit;
}

std::optional<std::int64_t> edit_shift(const Edit& edit, std::int64_t first, std::int64_t last,
                                       std::size_t samples, std::size_t in_fragments) {
  if (!edit.there) return 0;
  // Cutting pictures off at either end is left to the scan.
  if (first < edit.start || (edit.length > 0 && last >= edit.start + edit.length)) {
    return std::nullopt;
  }
  // Players begin at the first picture, not before it; but what a fragment says they take as it is.
  std::int64_t start = edit.start;
  if (in_fragments == 0) {
    start = std::max(start, first);
  } else if (in_fragments < samples && first != start) {
    return std::nullopt;  // one rule for the first samples, the other for the rest
  }
  return edit.pause - start;
}

}  // namespace deepsport
