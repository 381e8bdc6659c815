// elst: one edit after at most one pause (ISO 14496-12 8.6.6). Anything else is left to the scan.
#include <algorithm>

#include "index/mp4.hpp"

namespace deepsport {

std::optional<Edit> read_edit(const std::vector<Box>& trak, std::int64_t movie_scale,
                              std::int64_t media_scale) {
  if (!any(trak, four("edts"))) return Edit{};
  const auto edts = only(trak, four("edts"));
  const auto boxes = edts ? boxes_in(*edts) : std::nullopt;
  if (!boxes) return std::nullopt;
  if (!any(*boxes, four("elst"))) return Edit{};
  const auto elst = only(*boxes, four("elst"));
  if (!elst || movie_scale <= 0) return std::nullopt;
  const std::size_t wide = elst->u8(0) == 1 ? 8 : 4;
  const std::uint32_t count = elst->u32(4);
  if (count < 1 || count > 2) return std::nullopt;
  Edit edit;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t at = 8 + i * (2 * wide + 4);
    const std::uint64_t duration = elst->number(at, wide);
    const std::int64_t time =
        wide == 8 ? static_cast<std::int64_t>(elst->u64(at + 8)) : elst->i32(at + 4);
    if (elst->u32(at + 2 * wide) != 0x10000 || duration > UINT32_MAX) return std::nullopt;
    const auto scaled =
        (static_cast<std::int64_t>(duration) * media_scale + movie_scale / 2) / movie_scale;
    if (time == -1 && i == 0 && count == 2) {
      edit.pause = scaled;
    } else if (time >= 0 && time <= INT64_MAX / 4 && !edit.there) {
      edit.there = true;
      edit.start = time;
      edit.length = scaled;
    } else {
      return std::nullopt;
    }
  }
  if (!elst->ok() || !edit.there) return std::nullopt;
  return edit;
}

bool apply_edit(const Edit& edit, std::size_t in_fragments, std::vector<Packet>& samples,
                std::int64_t& shift) {
  shift = 0;
  if (!edit.there) return true;
  std::int64_t first = INT64_MAX, last = INT64_MIN;
  for (const Packet& sample : samples) {
    first = std::min(first, sample.pts);
    last = std::max(last, sample.pts);
  }
  // Cutting pictures off at either end is left to the scan.
  if (first < edit.start || (edit.length > 0 && last >= edit.start + edit.length)) return false;
  // Players begin at the first picture, not before it; but what a fragment says they take as it is.
  std::int64_t start = edit.start;
  if (in_fragments == 0) {
    start = std::max(start, first);
  } else if (in_fragments < samples.size() && first != start) {
    return false;  // one rule for the first samples, the other for the rest
  }
  shift = edit.pause - start;
  for (Packet& sample : samples) {
    sample.pts += shift;
    sample.dts += shift;
  }
  return true;
}

}  // namespace deepsport
