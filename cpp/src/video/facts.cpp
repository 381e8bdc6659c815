// What follows from the facts of a stream: square pixels, names of colours.
#include <climits>
#include <cmath>

#include "deepsport/video.hpp"

extern "C" {
#include <libavutil/pixdesc.h>
}

namespace deepsport {
namespace {

// How much wider than high a displayed pixel is; 1 when unknown.
double pixel_shape(const StreamFacts& facts) {
  if (facts.sample_aspect_num <= 0 || facts.sample_aspect_den <= 0) return 1;
  const double stored = static_cast<double>(facts.sample_aspect_num) / facts.sample_aspect_den;
  return facts.orientation.transpose ? 1 / stored : stored;
}

int stretched(int side, double factor) {
  if (factor <= 1) return side;
  const double wanted = std::round(side * factor);
  return wanted < INT_MAX ? static_cast<int>(wanted) : side;
}

std::string named(const char* name) {
  return name != nullptr ? name : "unknown";
}

}  // namespace

int StreamFacts::square_width() const noexcept {
  return stretched(width(), pixel_shape(*this));
}
int StreamFacts::square_height() const noexcept {
  return stretched(height(), 1 / pixel_shape(*this));
}

ColorNames color_names(const StreamFacts& facts) {
  ColorNames names;
  names.range = facts.color_range == 2 ? "full" : facts.color_range == 1 ? "limited" : "unknown";
  const auto in = [](int number, int count) { return number >= 0 && number < count ? number : 2; };
  names.primaries = named(av_color_primaries_name(
      static_cast<AVColorPrimaries>(in(facts.color_primaries, AVCOL_PRI_NB))));
  names.transfer = named(av_color_transfer_name(
      static_cast<AVColorTransferCharacteristic>(in(facts.color_transfer, AVCOL_TRC_NB))));
  names.matrix =
      named(av_color_space_name(static_cast<AVColorSpace>(in(facts.color_space, AVCOL_SPC_NB))));
  return names;
}

bool is_hdr(const StreamFacts& facts) noexcept {
  return facts.color_transfer == AVCOL_TRC_SMPTE2084 ||
         facts.color_transfer == AVCOL_TRC_ARIB_STD_B67;
}

}  // namespace deepsport
