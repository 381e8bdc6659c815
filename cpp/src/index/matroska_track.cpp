// Tracks: codec, size, configuration and colours of the pictures (RFC 9559 5.1.4).
#include <climits>
#include <numeric>

#include "index/ebml.hpp"
#include "index/matroska.hpp"

extern "C" {
#include <libavcodec/codec_id.h>
}

namespace deepsport {
namespace {

using ebml::Item;

struct Kind {
  const char* codec;
  AVCodecID id;
  const char* name;
};
constexpr Kind kKinds[] = {
    {"V_MPEG4/ISO/AVC", AV_CODEC_ID_H264, "h264"},
    {"V_MPEGH/ISO/HEVC", AV_CODEC_ID_HEVC, "hevc"},
    {"V_AV1", AV_CODEC_ID_AV1, "av1"},
    {"V_VP9", AV_CODEC_ID_VP9, "vp9"},
    {"V_VP8", AV_CODEC_ID_VP8, "vp8"},
};

// 5.1.4.1.28.16: numbers of ITU-T H.273; ranges count 1 limited, 2 full, as in FFmpeg.
bool read_colour(const Bytes& colour, StreamFacts& facts) {
  const auto items = ebml::items_in(colour);
  if (!items) return false;
  for (const Item& item : *items) {
    const std::uint64_t value = item.content.size() <= 8 ? item.number() : 0;
    if (value > 255) continue;
    const auto number = static_cast<int>(value);
    if (item.id == 0x55B1) facts.color_space = number;
    if (item.id == 0x55BA) facts.color_transfer = number;
    if (item.id == 0x55BB) facts.color_primaries = number;
    if (item.id == 0x55B9 && number <= 2) facts.color_range = number;
  }
  return true;
}

bool read_video(const Bytes& video, StreamFacts& facts) {
  const auto items = ebml::items_in(video);
  if (!items) return false;
  std::uint64_t width = 0, height = 0, shown_width = 0, shown_height = 0, unit = 0;
  for (const Item& item : *items) {
    switch (item.id) {
      case 0xB0: width = item.number(); break;
      case 0xBA: height = item.number(); break;
      case 0x54B0: shown_width = item.number(); break;
      case 0x54BA: shown_height = item.number(); break;
      case 0x54B2: unit = item.number(); break;
      case 0x55B0:
        if (!read_colour(item.content, facts)) return false;
        break;
      case 0x9A:    // interlaced: 1
      case 0x53B8:  // stereo
      case 0x53C0:  // transparency
        if (item.number() != 0 && !(item.id == 0x9A && item.number() == 2)) return false;
        break;
      case 0x7670: return false;  // projection: may turn the picture
      default: break;
    }
    if (!item.content.ok()) return false;
  }
  if (width == 0 || height == 0 || width > INT_MAX || height > INT_MAX) return false;
  facts.coded_width = static_cast<int>(width);
  facts.coded_height = static_cast<int>(height);
  if (unit > 3) return true;  // unknown
  if (shown_width == 0) shown_width = width;
  if (shown_height == 0) shown_height = height;
  if (shown_width > INT_MAX || shown_height > INT_MAX) return false;
  std::uint64_t across = height * shown_width, down = width * shown_height;
  const std::uint64_t divisor = std::gcd(across, down);
  across /= divisor;
  down /= divisor;
  if (across > INT_MAX || down > INT_MAX) return false;
  facts.sample_aspect_num = static_cast<int>(across);
  facts.sample_aspect_den = static_cast<int>(down);
  return true;
}

bool read_track(const std::vector<Item>& entry, MatroskaTrack& track) {
  const Kind* kind = nullptr;
  bool has_video = false;
  for (const Item& item : entry) {
    switch (item.id) {
      case 0xD7: track.number = item.number(); break;
      case 0x23E383: track.frame_ns = item.number(); break;
      case 0x86:
        for (const Kind& candidate : kKinds) {
          if (item.is_text(candidate.codec)) kind = &candidate;
        }
        break;
      case 0x63A2:
        track.facts.extradata.assign(item.content.data(),
                                     item.content.data() + item.content.size());
        break;
      case 0xE0:
        if (has_video || !read_video(item.content, track.facts)) return false;
        has_video = true;
        break;
      case 0x6D80:    // encodings: compression, encryption
      case 0x23314F:  // scale of times
      case 0x537F:    // offset of times
      case 0x56AA:    // delay
      case 0xE2:      // made of other tracks
        return false;
      default: break;
    }
    if (!item.content.ok()) return false;
  }
  if (kind == nullptr || !has_video || track.number == 0) return false;
  track.facts.container = "matroska,webm";
  track.facts.codec = kind->name;
  track.facts.codec_id = kind->id;
  if (kind->id == AV_CODEC_ID_VP9) track.facts.extradata.clear();  // FFmpeg's decoder takes none
  return true;
}

}  // namespace

std::optional<MatroskaTrack> read_matroska_tracks(const Bytes& tracks) {
  constexpr std::uint64_t kVideo = 1;
  const auto entries = ebml::items_in(tracks);
  if (!entries) return std::nullopt;
  std::optional<MatroskaTrack> found;
  for (const Item& entry : *entries) {
    if (entry.id != 0xAE) continue;
    const auto items = ebml::items_in(entry.content);
    if (!items) return std::nullopt;
    bool is_video = false;
    for (const Item& item : *items) {
      if (item.id == 0x83) is_video = item.number() == kVideo;
    }
    if (!is_video) continue;
    MatroskaTrack track;
    if (found || !read_track(*items, track)) return std::nullopt;
    found = std::move(track);
  }
  return found;
}

}  // namespace deepsport
