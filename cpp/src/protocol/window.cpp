// Rules for windows, and which frames a window shows.
#include <algorithm>

#include "deepsport/protocol.hpp"

namespace deepsport::protocol {
namespace {

bool within(std::int64_t a, std::int64_t b, std::int64_t slack) {
  return a <= b + slack && b <= a + slack;
}

/// int(numpy.linspace(first, last, num)) sorted and each once, in NumPy's own arithmetic:
/// i * step + first in double, the last value set exactly.
std::vector<std::int64_t> spaced(std::int64_t first, std::int64_t last, std::int64_t num) {
  std::vector<std::int64_t> frames;
  frames.reserve(static_cast<std::size_t>(std::min<std::int64_t>(num, last - first + 1)));
  const double step =
      num > 1 ? static_cast<double>(last - first) / static_cast<double>(num - 1) : 0.0;
  for (std::int64_t i = 0; i < num; ++i) {
    volatile const double product = static_cast<double>(i) * step;  // no fused multiply-add
    const double value = product + static_cast<double>(first);
    const std::int64_t frame = num > 1 && i == num - 1 ? last : static_cast<std::int64_t>(value);
    if (frames.empty() || frame > frames.back()) frames.push_back(frame);
  }
  return frames;
}

}  // namespace

WindowVerdict check_window(Window asked, std::int64_t frame_count, const Window* earlier,
                           std::size_t earlier_count, const WindowRules& rules) {
  WindowVerdict verdict{Reason::kOk, asked, false};
  const auto reject = [&verdict](Reason reason) {
    verdict.reason = reason;
    return verdict;
  };
  if (asked.start > asked.end) return reject(Reason::kWindowReversed);
  if (asked.start == asked.end) return reject(Reason::kWindowEmpty);
  if (asked.start < 0 || asked.start >= frame_count) return reject(Reason::kWindowOutside);
  if (asked.end > frame_count) {
    verdict.window.end = frame_count;
    verdict.clamped = true;
  }
  const Window window = verdict.window;
  if (window.end - window.start < rules.min_span) return reject(Reason::kWindowTooShort);
  for (std::size_t i = 0; i < earlier_count; ++i) {
    if (within(window.start, earlier[i].start, rules.repeat_slack) &&
        within(window.end, std::min(earlier[i].end, frame_count), rules.repeat_slack)) {
      return reject(Reason::kWindowRepeated);
    }
  }
  if (rules.full_range_shown && window.start <= rules.repeat_slack &&
      window.end >= frame_count - rules.repeat_slack) {
    return reject(Reason::kWindowFullRange);
  }
  return verdict;
}

std::vector<std::int64_t> window_indices(Window window, std::int64_t num) {
  if (window.end - window.start == 1) return {window.start};
  return spaced(window.start + 1, window.end - 1, num);
}

std::vector<std::int64_t> uniform_indices(std::int64_t frame_count, std::int64_t num) {
  return spaced(0, frame_count - 1, num);
}

}  // namespace deepsport::protocol
