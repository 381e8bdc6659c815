// What pictures look like in memory, of the host or of a device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace deepsport {

enum class ElementType { kUint8, kFloat32, kBfloat16, kFloat16 };

enum class PixelOrder {
  kInterleaved,  ///< (n, height, width, 3)
  kPlanar,       ///< (n, 3, height, width)
  kPatches,      ///< (patches, 3 * temporal * patch * patch), as the Qwen2-VL family reads them
};

/// What a request's pictures look like in memory.
struct PictureFormat {
  int width = 0, height = 0;  ///< zero means the video's own
  PixelOrder order = PixelOrder::kInterleaved;
  ElementType element = ElementType::kUint8;
  /// Elements other than kUint8 are (value / 255 - mean) / deviation per channel, value being
  /// 0..255.
  float mean[3] = {0.0F, 0.0F, 0.0F};
  float deviation[3] = {1.0F, 1.0F, 1.0F};
  /// Of kPatches: width and height must be multiples of patch * merge. With `spans`, a patch covers
  /// `temporal` frames that follow each other, the last one repeated to fill up; else one frame,
  /// repeated.
  int patch = 14, merge = 2, temporal = 2;
  bool spans = true;

  /// Of one element.
  std::size_t element_bytes() const noexcept;
  /// Of `frames` pictures of the given size; checks nothing.
  std::size_t total_bytes(std::size_t frames, int at_width, int at_height) const noexcept;
  /// Which frame each picture of the output shows: the frames themselves, but that patches repeat
  /// some.
  std::vector<std::int64_t> places(const std::vector<std::int64_t>& frames) const;
  /// Can pictures of this size, which must be known, be laid out so? @throws Error
  /// kInvalidArgument.
  void check() const;
};

}  // namespace deepsport
