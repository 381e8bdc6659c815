#include "deepsport/picture_format.hpp"

#include <string>

#include "deepsport/error.hpp"

namespace deepsport {

std::size_t PictureFormat::element_bytes() const noexcept {
  return element == ElementType::kUint8 ? 1 : element == ElementType::kFloat32 ? 4 : 2;
}

std::size_t PictureFormat::total_bytes(std::size_t frames, int at_width,
                                       int at_height) const noexcept {
  const std::size_t group = order == PixelOrder::kPatches ? static_cast<std::size_t>(temporal) : 1;
  const std::size_t pictures = spans ? (frames + group - 1) / group * group : frames * group;
  return pictures * 3 * static_cast<std::size_t>(at_width) * static_cast<std::size_t>(at_height) *
         element_bytes();
}

std::vector<std::int64_t> PictureFormat::places(const std::vector<std::int64_t>& frames) const {
  if (order != PixelOrder::kPatches || frames.empty()) return frames;
  const auto group = static_cast<std::size_t>(temporal);
  std::vector<std::int64_t> places;
  places.reserve((frames.size() + group) * (spans ? 1 : group));
  for (const std::int64_t frame : frames) places.insert(places.end(), spans ? 1 : group, frame);
  while (places.size() % group != 0) places.push_back(places.back());
  return places;
}

void PictureFormat::check() const {
  if (width <= 0 || height <= 0 || width > 65536 || height > 65536) {
    throw Error(Errc::kInvalidArgument, "pictures of " + std::to_string(width) + "x" +
                                            std::to_string(height) +
                                            "; valid are 1..65536 pixels each way");
  }
  if (order != PixelOrder::kPatches) return;
  if (patch < 1 || merge < 1 || temporal < 1 || patch > 1024 || merge > 64 || temporal > 64) {
    throw Error(Errc::kInvalidArgument, "patches of " + std::to_string(patch) +
                                            " pixels, merged by " + std::to_string(merge) +
                                            ", over " + std::to_string(temporal) +
                                            " frames; valid are 1..1024, 1..64 and 1..64");
  }
  const int unit = patch * merge;
  if (width % unit != 0 || height % unit != 0) {
    throw Error(Errc::kInvalidArgument, "patches of pictures of " + std::to_string(width) + "x" +
                                            std::to_string(height) + "; valid are multiples of " +
                                            std::to_string(unit) + " pixels, patch times merge");
  }
}

}  // namespace deepsport
