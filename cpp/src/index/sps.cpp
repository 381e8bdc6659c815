#include "index/sps.hpp"

#include <algorithm>

#include "index/bits.hpp"

namespace deepsport {
namespace {

constexpr std::size_t kMostBytes = 4096;

void set_size(SpsFacts& sps, std::uint32_t across, std::uint32_t down,
              const std::uint32_t (&crop)[4], std::uint32_t unit_x, std::uint32_t unit_y) {
  const std::int64_t width =
      std::int64_t{across} - std::int64_t{unit_x} * (std::int64_t{crop[0]} + crop[1]);
  const std::int64_t height =
      std::int64_t{down} - std::int64_t{unit_y} * (std::int64_t{crop[2]} + crop[3]);
  if (width <= 0 || height <= 0 || width > 1 << 16 || height > 1 << 16) return;
  sps.width = static_cast<int>(width);
  sps.height = static_cast<int>(height);
}

// The first fields of the VUI; H.264 E.1.1 and HEVC E.2.1 begin alike.
void read_vui(BitReader& bits, SpsFacts& sps) {
  if (bits.bit()) {  // aspect_ratio_info_present_flag
    const std::uint32_t kind = bits.bits(8);
    // Table E-1; 255 is a ratio in full.
    static constexpr int kRatios[17][2] = {
        {0, 1},   {1, 1},   {12, 11}, {10, 11}, {16, 11},  {40, 33}, {24, 11}, {20, 11}, {32, 11},
        {80, 33}, {18, 11}, {15, 11}, {64, 33}, {160, 99}, {4, 3},   {3, 2},   {2, 1}};
    if (kind < 17) {
      sps.aspect_num = kRatios[kind][0];
      sps.aspect_den = kRatios[kind][1];
    } else if (kind == 255) {
      sps.aspect_num = static_cast<int>(bits.bits(16));
      sps.aspect_den = static_cast<int>(bits.bits(16));
    }
  }
  if (bits.bit()) bits.skip(1);  // overscan
  if (bits.bit()) {              // video_signal_type_present_flag
    bits.skip(3);
    const bool full = bits.bit();
    const bool described = bits.bit();
    const int primaries = described ? static_cast<int>(bits.bits(8)) : 2;
    const int transfer = described ? static_cast<int>(bits.bits(8)) : 2;
    const int space = described ? static_cast<int>(bits.bits(8)) : 2;
    if (bits.exhausted()) return;
    sps.color_range = full ? 2 : 1;
    sps.color_primaries = primaries;
    sps.color_transfer = transfer;
    sps.color_space = space;
  }
  if (bits.bit()) {  // chroma_loc_info_present_flag
    bits.exp_golomb();
    bits.exp_golomb();
  }
}

// The rest of H.264 E.1.1, as far as pic_struct_present_flag.
void read_h264_timing(BitReader& bits, SpsFacts& sps) {
  const bool has_tick = bits.bit();
  if (has_tick) {
    sps.tick_units = bits.bits(32);
    sps.time_scale = bits.bits(32);
    bits.skip(1);  // fixed_frame_rate_flag
  }
  if (sps.tick_units == 0 || sps.time_scale == 0) sps.tick_units = sps.time_scale = 0;
  int delays = 0;
  bool buffered = false;
  for (int model = 0; model < 2; ++model) {  // of NAL units, of slices: E.1.2
    if (!bits.bit()) continue;
    buffered = true;
    std::uint32_t count = bits.exp_golomb();
    bits.skip(8);
    for (; count < 32; --count) {
      bits.exp_golomb();
      bits.exp_golomb();
      bits.skip(1);
      if (count == 0) break;
    }
    bits.skip(5);
    delays = static_cast<int>(bits.bits(5)) + 1;
    delays += static_cast<int>(bits.bits(5)) + 1;
    bits.skip(5);
  }
  if (buffered) bits.skip(1);  // low_delay_hrd_flag
  if (bits.bit() && !bits.exhausted()) sps.pic_struct_at = delays;
}

// HEVC E.2.1 from neutral_chroma_indication_flag to the length of a tick.
void read_hevc_timing(BitReader& bits, SpsFacts& sps) {
  bits.skip(1);
  const bool fields = bits.bit(), may_repeat = bits.bit();
  sps.in_fields = (fields || may_repeat) && !bits.exhausted();
  if (bits.bit()) {  // default_display_window_flag
    for (int side = 0; side < 4; ++side) bits.exp_golomb();
  }
  if (!bits.bit()) return;
  const std::uint32_t units = bits.bits(32), scale = bits.bits(32);
  if (bits.exhausted() || units == 0 || scale == 0) return;
  sps.tick_units = units;
  sps.time_scale = scale;
}

// H.264 7.3.2.1.1.1
void skip_scaling_list(BitReader& bits, int count) {
  int last = 8, next = 8;
  for (int i = 0; i < count && !bits.exhausted(); ++i) {
    if (next != 0) {
      const std::uint32_t code = bits.exp_golomb();
      const int delta =
          (code & 1) != 0 ? static_cast<int>((code + 1) / 2) : -static_cast<int>(code / 2);
      next = (last + delta + 256) & 255;
    }
    last = next == 0 ? last : next;
  }
}

// HEVC 7.3.4
void skip_hevc_scaling_lists(BitReader& bits) {
  for (int size = 0; size < 4; ++size) {
    for (int matrix = 0; matrix < 6 && !bits.exhausted(); matrix += size == 3 ? 3 : 1) {
      if (!bits.bit()) {
        bits.exp_golomb();
        continue;
      }
      const int count = std::min(64, 1 << (4 + (size << 1)));
      for (int i = size > 1 ? -1 : 0; i < count; ++i) bits.exp_golomb();
    }
  }
}

// HEVC 7.3.7: false when a count is out of range.
bool skip_reference_sets(BitReader& bits) {
  const std::uint32_t sets = bits.exp_golomb();
  if (sets > 64) return false;
  std::uint32_t pictures = 0;  // of the set before
  for (std::uint32_t set = 0; set < sets && !bits.exhausted(); ++set) {
    if (set > 0 && bits.bit()) {  // predicted from the one before
      bits.skip(1);
      bits.exp_golomb();
      std::uint32_t kept = 0;
      for (std::uint32_t i = 0; i <= pictures; ++i) {
        if (bits.bit() || bits.bit()) ++kept;  // used by this picture, or by later ones
      }
      pictures = kept;
    } else {
      const std::uint32_t before = bits.exp_golomb(), after = bits.exp_golomb();
      if (before > 16 || after > 16) return false;
      pictures = before + after;
      for (std::uint32_t i = 0; i < pictures; ++i) {
        bits.exp_golomb();
        bits.skip(1);
      }
    }
  }
  return true;
}

}  // namespace

std::vector<std::uint8_t> unescaped(const std::uint8_t* data, std::size_t size, std::size_t limit) {
  std::vector<std::uint8_t> out;
  int zeros = 0;
  for (std::size_t i = 0; i < size && out.size() < limit; ++i) {
    if (zeros >= 2 && data[i] == 3) {
      zeros = 0;
      continue;
    }
    zeros = data[i] == 0 ? zeros + 1 : 0;
    out.push_back(data[i]);
  }
  return out;
}

// H.264 7.3.2.1.1
SpsFacts read_h264_sps(const std::uint8_t* data, std::size_t size) {
  SpsFacts sps;
  const auto bytes = unescaped(data + 1, size - 1, kMostBytes);
  BitReader bits(bytes.data(), bytes.size());
  const std::uint32_t profile = bits.bits(8);
  bits.skip(16);
  bits.exp_golomb();  // seq_parameter_set_id
  std::uint32_t chroma = 1;
  for (const std::uint32_t high : {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}) {
    if (profile != high) continue;
    chroma = bits.exp_golomb();
    if (chroma == 3) bits.skip(1);
    bits.exp_golomb();
    bits.exp_golomb();
    bits.skip(1);
    if (!bits.bit()) break;
    for (int list = 0; list < (chroma == 3 ? 12 : 8); ++list) {
      if (bits.bit()) skip_scaling_list(bits, list < 6 ? 16 : 64);
    }
    break;
  }
  bits.exp_golomb();  // log2_max_frame_num_minus4
  const std::uint32_t order = bits.exp_golomb();
  if (order == 0) {
    bits.exp_golomb();
  } else if (order == 1) {
    bits.skip(1);
    bits.exp_golomb();
    bits.exp_golomb();
    std::uint32_t cycle = bits.exp_golomb();
    while (cycle-- > 0 && !bits.exhausted()) bits.exp_golomb();
  }
  bits.exp_golomb();  // max_num_ref_frames
  bits.skip(1);
  const std::uint32_t across = bits.exp_golomb() + 1, down = bits.exp_golomb() + 1;
  const bool frames_only = bits.bit();
  if (!frames_only && !bits.exhausted()) sps.interlaced = true;
  if (!frames_only) bits.skip(1);
  bits.skip(1);  // direct_8x8_inference_flag
  std::uint32_t crop[4] = {};
  if (bits.bit()) {
    for (std::uint32_t& side : crop) side = bits.exp_golomb();
  }
  if (bits.exhausted() || across > 1024 || down > 1024) return sps;
  const std::uint32_t unit_x = chroma == 1 || chroma == 2 ? 2 : 1;
  const std::uint32_t unit_y = (chroma == 1 ? 2 : 1) * (frames_only ? 1 : 2);
  set_size(sps, 16 * across, 16 * down * (frames_only ? 1 : 2), crop, unit_x, unit_y);
  if (bits.bit()) {
    read_vui(bits, sps);
    read_h264_timing(bits, sps);
  }
  return sps;
}

// HEVC 7.3.2.2.1
SpsFacts read_hevc_sps(const std::uint8_t* data, std::size_t size) {
  SpsFacts sps;
  const auto bytes = unescaped(data + 2, size - 2, kMostBytes);
  BitReader bits(bytes.data(), bytes.size());
  bits.skip(4);
  const int sub_layers = static_cast<int>(bits.bits(3));
  sps.sub_layers = sub_layers;
  bits.skip(1 + 96);  // profile, tier, level
  std::uint32_t present[8] = {};
  for (int i = 0; i < sub_layers; ++i) present[i] = bits.bits(2);
  if (sub_layers > 0) bits.skip(2 * (8 - sub_layers));
  for (int i = 0; i < sub_layers; ++i) {
    bits.skip(((present[i] & 2) != 0 ? 88 : 0) + ((present[i] & 1) != 0 ? 8 : 0));
  }
  bits.exp_golomb();
  const std::uint32_t chroma = bits.exp_golomb();
  if (chroma == 3) bits.skip(1);
  const std::uint32_t across = bits.exp_golomb(), down = bits.exp_golomb();
  std::uint32_t crop[4] = {};
  if (bits.bit()) {
    for (std::uint32_t& side : crop) side = bits.exp_golomb();
  }
  if (bits.exhausted()) return sps;
  set_size(sps, across, down, crop, chroma == 1 || chroma == 2 ? 2 : 1, chroma == 1 ? 2 : 1);

  bits.exp_golomb();  // bit depths
  bits.exp_golomb();
  const std::uint32_t order_bits = bits.exp_golomb() + 4;
  if (order_bits > 16) return sps;
  for (int i = bits.bit() ? 0 : sub_layers; i <= sub_layers; ++i) {
    for (int k = 0; k < 3; ++k) bits.exp_golomb();
  }
  for (int k = 0; k < 6; ++k) bits.exp_golomb();  // block sizes and depths
  if (bits.bit() && bits.bit()) skip_hevc_scaling_lists(bits);
  bits.skip(2);
  if (bits.bit()) {  // pcm_enabled_flag
    bits.skip(8);
    bits.exp_golomb();
    bits.exp_golomb();
    bits.skip(1);
  }
  if (!skip_reference_sets(bits)) return sps;
  if (bits.bit()) {  // long_term_ref_pics_present_flag
    std::uint32_t pictures = bits.exp_golomb();
    if (pictures > 32) return sps;
    while (pictures-- > 0) bits.skip(static_cast<int>(order_bits) + 1);
  }
  bits.skip(2);
  if (bits.bit() && !bits.exhausted()) {
    read_vui(bits, sps);
    read_hevc_timing(bits, sps);
  }
  return sps;
}

}  // namespace deepsport
