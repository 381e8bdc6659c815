// RGB pictures as the rows of patches that Qwen2.5-VL and Qwen3-VL take: normalised, in the order
// (time, block row, block column, row in block, column in block, channel, time in patch, y, x).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "deepsport/error.hpp"
#include "deepsport/picture_format.hpp"

namespace deepsport {

enum class Element : int { kFloat32 = 0, kFloat16 = 1, kBfloat16 = 2 };
inline std::size_t bytes_of(Element element) {
  return element == Element::kFloat32 ? 4 : 2;
}

struct PatchLayout {
  int patch = 14;    ///< pixels of a patch's side
  int merge = 2;     ///< patches of a block's side
  int temporal = 2;  ///< pictures a patch spans
  float mean[3] = {0.48145466f, 0.4578275f, 0.40821073f};
  float std[3] = {0.26862954f, 0.26130258f, 0.27577711f};
};

/// How many rows and columns `count` pictures become. In a video `temporal` consecutive pictures
/// share patches (the last repeats to fill up); else each picture repeats itself.
struct PatchShape {
  std::int64_t grid_t = 0, grid_h = 0, grid_w = 0;  ///< of the video, or of one picture
  std::int64_t rows = 0, columns = 0;
};
/// Codes: kInvalidArgument when the size is no multiple of patch * merge.
Result<PatchShape> patch_shape(std::int64_t count, int height, int width, const PatchLayout& layout,
                               bool as_video);

/// Write rows * columns elements; (value / 255 - mean) / std of each sample.
void to_patches(const std::uint8_t* rgb, std::int64_t count, int height, int width,
                const PatchLayout& layout, bool as_video, Element element, void* out);

/// Resize RGB pictures of one size, rows packed, to the format's size (antialiased bicubic) and lay
/// them out in `out`, which has format.total_bytes(). Codes: kInvalidArgument.
Result<bool> lay_out(const std::vector<const std::uint8_t*>& pictures, int height, int width,
                     const PictureFormat& format, void* out);

}  // namespace deepsport
