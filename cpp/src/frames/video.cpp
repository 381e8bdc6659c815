// Which frames a request means: indices, seconds, windows. Their pictures: decode.cpp.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "deepsport/frames.hpp"

namespace deepsport {

namespace {

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

}  // namespace

std::vector<std::int64_t> Video::resolve(const std::vector<std::int64_t>& indices) const {
  const std::int64_t count = index_->frame_count();
  std::vector<std::int64_t> frames;
  frames.reserve(indices.size());
  for (const std::int64_t asked : indices) {
    if (asked < -count || asked >= count) {
      throw Error(Errc::kOutOfRange, "frame " + std::to_string(asked) + " of " + name() +
                                         ": it has " + std::to_string(count) +
                                         " frames, valid are " + std::to_string(-count) + ".." +
                                         std::to_string(count - 1));
    }
    frames.push_back(asked < 0 ? asked + count : asked);
  }
  return frames;
}

std::vector<std::int64_t> Video::played_at(const std::vector<double>& seconds) const {
  std::vector<std::int64_t> frames;
  frames.reserve(seconds.size());
  for (const double second : seconds) frames.push_back(index_->frame_at(second, name()));
  return frames;
}

std::vector<std::int64_t> Video::window(double start, double stop, std::int64_t count) const {
  const double first = index_->seconds(index_->pts.front()), end = index_->seconds(index_->end_pts);
  const std::string asked = "window [" + number(start) + ", " + number(stop) + ") of " + name();
  const std::string valid =
      "valid are start < stop within [" + number(first) + ", " + number(end) + "]";
  if (count <= 0) {
    throw Error(Errc::kInvalidArgument, asked + ": " + std::to_string(count) +
                                            " frames were asked for; valid is one or more");
  }
  constexpr std::int64_t kMost = std::int64_t{1}
                                 << 24;  // the frames of the longest video by default
  if (count > kMost) {
    const std::string most = std::to_string(kMost);
    throw Error(Errc::kLimit, asked + ": more than " + most +
                                  " frames were asked for; valid are 1.." + most + " at a time");
  }
  if (!std::isfinite(start) || !std::isfinite(stop)) {
    throw Error(Errc::kInvalidArgument, asked + ": not finite; " + valid);
  }
  if (start == stop) throw Error(Errc::kInvalidArgument, asked + ": it has no length; " + valid);
  if (start > stop) throw Error(Errc::kInvalidArgument, asked + ": it runs backwards; " + valid);
  constexpr double kSlack = 1e-6;  // people copy times with six digits
  if (start < first - kSlack || stop > end + kSlack) {
    throw Error(Errc::kOutOfRange, asked + ": the video is shown from " + number(first) + " to " +
                                       number(end) + " s; " + valid);
  }
  std::vector<std::int64_t> frames;
  frames.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    const double at = start + (stop - start) * static_cast<double>(i) / static_cast<double>(count);
    const double inside = std::max(at, first);
    frames.push_back(inside >= end ? index_->frame_count() - 1 : index_->frame_at(inside, name()));
  }
  return frames;
}

}  // namespace deepsport
