#include "deepsport/frames/patches.hpp"

#include <algorithm>
#include <string>

#include "cuda/pixel.hpp"

namespace deepsport {
namespace {

// What each of the 256 samples of a channel becomes.
template <typename T, typename Convert>
void fill_table(const PatchLayout& layout, Convert convert, T (&table)[3][256]) {
  for (int c = 0; c < 3; ++c) {
    for (int value = 0; value < 256; ++value) {
      table[c][value] = convert(pixel::normalise(value, layout.mean[c], layout.std[c]));
    }
  }
}

template <typename T>
void write_patches(const std::uint8_t* rgb, std::int64_t count, int height, int width,
                   const PatchLayout& l, bool as_video, const T (&table)[3][256], T* out) {
  const std::int64_t block = std::int64_t{l.patch} * l.merge;
  const std::int64_t times = as_video ? (count + l.temporal - 1) / l.temporal : count;
  const std::int64_t row_bytes = std::int64_t{3} * width, picture = row_bytes * height;
  for (std::int64_t t = 0; t < times; ++t) {
    for (std::int64_t by = 0; by < height / block; ++by) {
      for (std::int64_t bx = 0; bx < width / block; ++bx) {
        for (int my = 0; my < l.merge; ++my) {
          for (int mx = 0; mx < l.merge; ++mx) {
            const std::int64_t y0 = by * block + my * l.patch, x0 = bx * block + mx * l.patch;
            for (int c = 0; c < 3; ++c) {
              for (int s = 0; s < l.temporal; ++s) {
                const std::int64_t frame = as_video ? std::min(t * l.temporal + s, count - 1) : t;
                const std::uint8_t* from = rgb + frame * picture + y0 * row_bytes + 3 * x0 + c;
                for (int y = 0; y < l.patch; ++y, from += row_bytes) {
                  for (int x = 0; x < l.patch; ++x) *out++ = table[c][from[3 * x]];
                }
              }
            }
          }
        }
      }
    }
  }
}

template <typename T, typename Convert>
void convert_patches(const std::uint8_t* rgb, std::int64_t count, int height, int width,
                     const PatchLayout& layout, bool as_video, Convert convert, void* out) {
  T table[3][256];
  fill_table(layout, convert, table);
  write_patches(rgb, count, height, width, layout, as_video, table, static_cast<T*>(out));
}

}  // namespace

Result<PatchShape> patch_shape(std::int64_t count, int height, int width, const PatchLayout& layout,
                               bool as_video) {
  const std::int64_t block = std::int64_t{layout.patch} * layout.merge;
  if (count < 1 || layout.patch < 1 || layout.merge < 1 || layout.temporal < 1 || height < 1 ||
      width < 1 || height % block != 0 || width % block != 0) {
    return Error(Errc::kInvalidArgument, "patches of " + std::to_string(count) + " pictures of " +
                                             std::to_string(width) + "x" + std::to_string(height) +
                                             ": valid are one or more pictures whose sides "
                                             "are multiples of " +
                                             std::to_string(block));
  }
  PatchShape shape;
  shape.grid_t = as_video ? (count + layout.temporal - 1) / layout.temporal : 1;
  shape.grid_h = height / layout.patch;
  shape.grid_w = width / layout.patch;
  shape.rows = shape.grid_t * shape.grid_h * shape.grid_w * (as_video ? 1 : count);
  shape.columns = std::int64_t{3} * layout.temporal * layout.patch * layout.patch;
  return shape;
}

void to_patches(const std::uint8_t* rgb, std::int64_t count, int height, int width,
                const PatchLayout& layout, bool as_video, Element element, void* out) {
  switch (element) {
    case Element::kFloat32:
      return convert_patches<float>(
          rgb, count, height, width, layout, as_video, [](float value) { return value; }, out);
    case Element::kFloat16:
      return convert_patches<std::uint16_t>(rgb, count, height, width, layout, as_video,
                                            pixel::to_float16, out);
    case Element::kBfloat16:
      return convert_patches<std::uint16_t>(rgb, count, height, width, layout, as_video,
                                            pixel::to_bfloat16, out);
  }
}

}  // namespace deepsport
