#include "deepsport/frames/patches.hpp"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "frames/convert.hpp"
#include "frames/picture_writer.hpp"

namespace deepsport {
namespace {

ElementType type_of(Element element) {
  switch (element) {
    case Element::kFloat32: return ElementType::kFloat32;
    case Element::kFloat16: return ElementType::kFloat16;
    case Element::kBfloat16: return ElementType::kBfloat16;
  }
  return ElementType::kFloat32;
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
  PictureFormat format;
  format.width = width;
  format.height = height;
  format.order = PixelOrder::kPatches;
  format.element = type_of(element);
  std::copy_n(layout.mean, 3, format.mean);
  std::copy_n(layout.std, 3, format.deviation);
  format.patch = layout.patch;
  format.merge = layout.merge;
  format.temporal = layout.temporal;
  format.spans = as_video;
  std::vector<const std::uint8_t*> pictures;
  for (std::int64_t i = 0; i < count; ++i) {
    pictures.push_back(rgb + i * std::int64_t{3} * height * width);
  }
  lay_out(pictures, height, width, format, out).value();
}

Result<bool> lay_out(const std::vector<const std::uint8_t*>& pictures, int height, int width,
                     const PictureFormat& format, void* out) {
  try {
    format.check();
    if (width < 1 || height < 1) {
      throw Error(Errc::kInvalidArgument, "pictures of " + std::to_string(width) + "x" +
                                              std::to_string(height) +
                                              "; valid are pictures with pixels");
    }
    const auto frame = ffmpeg::make_frame();  // looks at the pictures, owns nothing
    frame->format = AV_PIX_FMT_RGB24;
    frame->width = width;
    frame->height = height;
    frame->linesize[0] = 3 * width;
    Converter convert{Orientation{}};
    PictureWriter write(format, out);
    std::vector<std::int64_t> numbers(pictures.size());
    std::iota(numbers.begin(), numbers.end(), 0);
    const std::vector<std::int64_t> shown = format.places(numbers);
    std::vector<std::size_t> places;
    for (std::size_t place = 0; place < shown.size(); ++place) {
      places.push_back(place);
      if (place + 1 < shown.size() && shown[place + 1] == shown[place]) continue;
      // FFmpeg has no frame whose pixels are constant; nothing writes to it
      frame->data[0] = const_cast<std::uint8_t*>(pictures[static_cast<std::size_t>(shown[place])]);
      write.picture(places, *frame, convert);
      places.clear();
    }
    return true;
  } catch (const Error& error) {
    return error;
  }
}

}  // namespace deepsport
