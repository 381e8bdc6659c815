#include "frames/color.hpp"

#include <cmath>
#include <string>

#include "deepsport/error.hpp"

extern "C" {
#include <libavutil/pixdesc.h>
}

namespace deepsport {
namespace {

struct Luma {
  double red, blue;
};

// Rec. ITU-T H.273 table 4.
Luma luma_of(AVColorSpace space) {
  switch (space) {
    case AVCOL_SPC_BT709: return {0.2126, 0.0722};
    case AVCOL_SPC_FCC: return {0.30, 0.11};
    case AVCOL_SPC_SMPTE240M: return {0.212, 0.087};
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL: return {0.2627, 0.0593};
    case AVCOL_SPC_YCGCO:
    case AVCOL_SPC_SMPTE2085:
    case AVCOL_SPC_CHROMA_DERIVED_NCL:
    case AVCOL_SPC_CHROMA_DERIVED_CL:
    case AVCOL_SPC_ICTCP:
      throw Error(Errc::kUnsupported,
                  std::string("a picture with the colour matrix ") + av_color_space_name(space) +
                      ", which is not converted; valid are BT.601, BT.709, BT.2020, FCC and "
                      "SMPTE 240M, or planes_at()");
    default: return {0.299, 0.114};
  }
}

bool is_full_range(const AVFrame& frame) {
  if (frame.color_range == AVCOL_RANGE_JPEG) return true;
  switch (frame.format) {
    case AV_PIX_FMT_YUVJ411P:
    case AV_PIX_FMT_YUVJ420P:
    case AV_PIX_FMT_YUVJ422P:
    case AV_PIX_FMT_YUVJ440P:
    case AV_PIX_FMT_YUVJ444P: return true;
    default: break;
  }
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  return format != nullptr && format->nb_components < 3;  // grey
}

double full_scale(int depth) {
  const double largest =
      depth <= kSampleBits ? ((1 << depth) - 1) << (kSampleBits - depth) : (1 << kSampleBits) - 1;
  return (255 << (kSampleBits - 8)) / largest;
}

std::int32_t fixed(double value) {
  return static_cast<std::int32_t>(std::lround(value * (1 << kGainBits)));
}

}  // namespace

std::int32_t full_scale_gain(int depth) {
  return fixed(full_scale(depth));
}

ColorMatrix color_matrix(const AVFrame& frame, int depth, int otherwise) {
  const bool said = frame.colorspace != AVCOL_SPC_UNSPECIFIED;
  const Luma k = luma_of(said ? frame.colorspace : static_cast<AVColorSpace>(otherwise));
  const double green = 1 - k.red - k.blue;
  const bool full = is_full_range(frame);
  // Samples have kSampleBits bits: a full-range 8-bit plane reaches 255 << 6.
  // Limited range scales with the depth; full range ends at 2^depth - 1.
  const double y_scale = full ? full_scale(depth) : 255.0 / 219.0;
  const double c_scale = full ? full_scale(depth) : 255.0 / 224.0;
  ColorMatrix m;
  m.y_offset = full ? 0 : 16 << (kSampleBits - 8);
  m.y_gain = fixed(y_scale);
  m.r_v = fixed(2 * (1 - k.red) * c_scale);
  m.g_u = fixed(-2 * (1 - k.blue) * k.blue / green * c_scale);
  m.g_v = fixed(-2 * (1 - k.red) * k.red / green * c_scale);
  m.b_u = fixed(2 * (1 - k.blue) * c_scale);
  return m;
}

}  // namespace deepsport
