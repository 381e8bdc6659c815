#include "surface.hpp"

#include <algorithm>
#include <cstring>

extern "C" {
#include <libavutil/pixdesc.h>
}

namespace fake {
namespace {

struct Plane {
  const std::uint8_t* data;
  int stride, width, height, depth;
};

int sample(const Plane& plane, int x, int y) {
  x = std::min(x, plane.width - 1);
  y = std::min(y, plane.height - 1);
  const std::uint8_t* row = plane.data + static_cast<std::ptrdiff_t>(y) * plane.stride;
  if (plane.depth == 8) return row[x];
  std::uint16_t value;
  std::memcpy(&value, row + 2 * x, sizeof value);
  return value;
}

void put(std::uint8_t* row, std::size_t column, int value, int depth, bool sixteen_bits) {
  if (sixteen_bits) {
    const auto wide = static_cast<std::uint16_t>(value << (16 - depth));
    std::memcpy(row + 2 * column, &wide, sizeof wide);
  } else {
    row[column] = static_cast<std::uint8_t>(value >> (depth - 8));
  }
}

}  // namespace

int depth_of(AVPixelFormat format) {
  return av_pix_fmt_desc_get(format)->comp[0].depth;
}

bool is_444(AVPixelFormat format) {
  const AVPixFmtDescriptor* description = av_pix_fmt_desc_get(format);
  return description->nb_components >= 3 && description->log2_chroma_w == 0;
}

SurfaceShape::SurfaceShape(const CUVIDDECODECREATEINFO& info)
    : width(static_cast<unsigned>(info.ulTargetWidth)),
      height(static_cast<unsigned>(info.ulTargetHeight)),
      sixteen_bits(info.OutputFormat == cudaVideoSurfaceFormat_P016 ||
                   info.OutputFormat == cudaVideoSurfaceFormat_YUV444_16Bit),
      planar(info.OutputFormat == cudaVideoSurfaceFormat_YUV444 ||
             info.OutputFormat == cudaVideoSurfaceFormat_YUV444_16Bit) {
  pitch = (width * (sixteen_bits ? 2 : 1) + 255) / 256 * 256;
  rows = (height + 1) & ~1u;
  bytes = static_cast<std::size_t>(pitch) * rows * (planar ? 6 : 3) / 2;
}

void write_surface(const AVFrame& picture, const SurfaceShape& shape, std::uint8_t* memory) {
  const AVPixFmtDescriptor* format =
      av_pix_fmt_desc_get(static_cast<AVPixelFormat>(picture.format));
  const int depth = format->comp[0].depth;
  const auto plane = [&](int i) {
    const int across = i == 0 ? 0 : format->log2_chroma_w,
              down = i == 0 ? 0 : format->log2_chroma_h;
    return Plane{picture.data[i], picture.linesize[i],
                 (picture.width + (1 << across) - 1) >> across,
                 (picture.height + (1 << down) - 1) >> down, depth};
  };
  const std::size_t plane_bytes = static_cast<std::size_t>(shape.pitch) * shape.rows;
  for (int i = 0; i < (shape.planar ? 3 : 1); ++i) {
    const Plane from = plane(i);
    for (unsigned y = 0; y < shape.height; ++y) {
      std::uint8_t* row = memory + static_cast<std::size_t>(i) * plane_bytes + y * shape.pitch;
      for (unsigned x = 0; x < shape.width; ++x) {
        put(row, x, sample(from, static_cast<int>(x), static_cast<int>(y)), depth,
            shape.sixteen_bits);
      }
    }
  }
  if (shape.planar) return;
  const Plane chroma[2] = {plane(1), plane(2)};
  for (unsigned y = 0; y < (shape.height + 1) / 2; ++y) {
    std::uint8_t* row = memory + plane_bytes + y * shape.pitch;
    for (unsigned x = 0; x < (shape.width + 1) / 2; ++x) {
      for (unsigned k = 0; k < 2; ++k) {
        put(row, 2 * x + k, sample(chroma[k], static_cast<int>(x), static_cast<int>(y)), depth,
            shape.sixteen_bits);
      }
    }
  }
}

}  // namespace fake
