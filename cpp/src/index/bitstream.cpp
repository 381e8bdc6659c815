#include "index/bitstream.hpp"

extern "C" {
#include <libavcodec/avcodec.h>
}

namespace deepsport {
namespace {

// Codecs whose every packet is a picture that stands alone: mjpeg, prores, dnxhd, ...
class IntraReader final : public BitstreamReader {
 public:
  PacketKind look(const std::uint8_t*, std::size_t, bool) override {
    PacketKind kind;
    kind.known = kind.start = kind.droppable = true;
    return kind;
  }
};

class UnknownReader final : public BitstreamReader {
 public:
  PacketKind look(const std::uint8_t*, std::size_t, bool) override {
    return {};
  }
  bool one_picture_per_packet() const override {
    return false;
  }
};

}  // namespace

void BitstreamReader::complete(StreamFacts& facts) const {
  if (facts.sample_aspect_num == 0 && aspect_num_ > 0 && aspect_den_ > 0) {
    facts.sample_aspect_num = aspect_num_;
    facts.sample_aspect_den = aspect_den_;
  }
  const auto fill = [](int& fact, int unknown, int found) {
    if (fact == unknown) fact = found;
  };
  fill(facts.color_primaries, 2, color_primaries_);
  fill(facts.color_transfer, 2, color_transfer_);
  fill(facts.color_space, 2, color_space_);
  fill(facts.color_range, 0, color_range_);
}

std::unique_ptr<BitstreamReader> make_bitstream_reader(const StreamFacts& facts) {
  switch (facts.codec_id) {
    case AV_CODEC_ID_H264: return make_nal_reader(facts, false);
    case AV_CODEC_ID_HEVC: return make_nal_reader(facts, true);
    case AV_CODEC_ID_AV1: return make_av1_reader(facts);
    case AV_CODEC_ID_VP8: return make_vpx_reader(false);
    case AV_CODEC_ID_VP9: return make_vpx_reader(true);
    case AV_CODEC_ID_MJPEG:
    case AV_CODEC_ID_PRORES:
    case AV_CODEC_ID_PNG:
    case AV_CODEC_ID_RAWVIDEO: return std::make_unique<IntraReader>();
    default: return std::make_unique<UnknownReader>();
  }
}

}  // namespace deepsport
