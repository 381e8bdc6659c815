// stsd: codec, size, configuration and colour of the pictures (ISO 14496-12 8.5.2, 14496-15).
#include "index/mp4.hpp"

extern "C" {
#include <libavcodec/codec_id.h>
}

namespace deepsport {
namespace {

constexpr std::size_t kVisualEntry = 78;  // fixed fields of a visual sample entry

struct Kind {
  std::uint32_t entry, configuration;
  AVCodecID id;
  const char* name;
};
constexpr Kind kKinds[] = {
    {four("avc1"), four("avcC"), AV_CODEC_ID_H264, "h264"},
    {four("hvc1"), four("hvcC"), AV_CODEC_ID_HEVC, "hevc"},
    {four("hev1"), four("hvcC"), AV_CODEC_ID_HEVC, "hevc"},
    {four("av01"), four("av1C"), AV_CODEC_ID_AV1, "av1"},
    {four("vp09"), four("vpcC"), AV_CODEC_ID_VP9, "vp9"},
};

void read_colour(const Bytes& colr, StreamFacts& facts) {
  const std::uint32_t type = colr.u32(0);
  if ((type != four("nclx") && type != four("nclc")) || !colr.has(4, 6)) return;
  facts.color_primaries = colr.u16(4);
  facts.color_transfer = colr.u16(6);
  facts.color_space = colr.u16(8);
  if (type == four("nclx") && colr.has(10, 1)) {
    facts.color_range = (colr.u8(10) & 0x80) != 0 ? 2 : 1;  // AVCOL_RANGE_JPEG, _MPEG
  }
}

}  // namespace

bool read_sample_description(const Bytes& stsd, StreamFacts& facts) {
  if (stsd.u32(4) != 1) return false;
  const auto entries = boxes_in(stsd.after(8));
  if (!entries || entries->size() != 1) return false;
  const Box& entry = entries->front();
  const Kind* kind = nullptr;
  for (const Kind& candidate : kKinds) {
    if (candidate.entry == entry.type) kind = &candidate;
  }
  if (kind == nullptr || !entry.content.has(0, kVisualEntry)) return false;
  const auto parts = boxes_in(entry.content.after(kVisualEntry));
  if (!parts) return false;
  const auto configuration = only(*parts, kind->configuration);
  if (!configuration) return false;

  facts.container = "mov,mp4,m4a,3gp,3g2,mj2";
  facts.codec = kind->name;
  facts.codec_id = kind->id;
  for (int i = 0; i < 4; ++i) {  // FFmpeg keeps tags little-endian
    facts.codec_tag |= (kind->entry >> (24 - 8 * i) & 255u) << (8 * i);
  }
  facts.coded_width = entry.content.u16(24);
  facts.coded_height = entry.content.u16(26);
  if (kind->id != AV_CODEC_ID_VP9) {
    facts.extradata.assign(configuration->data(), configuration->data() + configuration->size());
  }
  if (const auto colr = only(*parts, four("colr"))) read_colour(*colr, facts);
  if (const auto pasp = only(*parts, four("pasp"))) {
    facts.sample_aspect_num = pasp->i32(0);
    facts.sample_aspect_den = pasp->i32(4);
    if (facts.sample_aspect_num <= 0 || facts.sample_aspect_den <= 0) return false;
  }
  return true;
}

}  // namespace deepsport
