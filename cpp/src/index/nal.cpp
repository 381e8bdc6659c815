// H.264 and HEVC packets: NAL unit types, nal_ref_idc, temporal layers, slice types.
#include <algorithm>
#include <vector>

#include "index/bits.hpp"
#include "index/bitstream.hpp"

namespace deepsport {
namespace {

// The first `limit` bytes of a NAL unit without emulation prevention (H.264 7.4.1).
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

class NalReader final : public BitstreamReader {
 public:
  NalReader(const StreamFacts& facts, bool hevc) : hevc_(hevc) {
    const auto& extra = facts.extradata;
    // avcC and hvcC begin with version 1 and carry NAL units with lengths; Annex B has start codes.
    if (!extra.empty() && extra[0] == 1) {
      if (!hevc && extra.size() >= 7) {
        length_bytes_ = (extra[4] & 3) + 1;
        read_avcc(extra);
      }
      if (hevc && extra.size() >= 23) {
        length_bytes_ = (extra[21] & 3) + 1;
        read_hvcc(extra);
      }
    } else {
      PacketKind ignored;
      walk(extra.data(), extra.size(), ignored);
    }
  }

  PacketKind look(const std::uint8_t* data, std::size_t size, bool container_key) override {
    PacketKind kind;
    kind.known = true;
    slices_ = 0;
    intra_only_ = true;
    all_droppable_ = true;
    idr_ = irap_ = false;
    walk(data, size, kind);
    kind.picture = slices_ > 0;
    kind.droppable = slices_ > 0 && all_droppable_;
    // A gradual refresh (x264 --intra-refresh) is flagged as a key frame by some containers, but
    // its first picture is not whole: only intra pictures count as a start.
    kind.start = slices_ > 0 && (hevc_ ? irap_ : idr_ || (container_key && intra_only_));
    if (hevc_) {
      kind.broken_link = kind.broken_link || (irap_ && end_of_sequence_);
      if (slices_ > 0) end_of_sequence_ = pending_end_;
      pending_end_ = false;
    }
    return kind;
  }

  bool one_picture_per_packet() const override {
    return !interlaced_;
  }

 private:
  void walk(const std::uint8_t* data, std::size_t size, PacketKind& kind) {
    if (length_bytes_ > 0) {
      std::size_t at = 0;
      const auto prefix = static_cast<std::size_t>(length_bytes_);
      while (at + prefix < size) {
        std::size_t length = 0;
        for (std::size_t i = 0; i < prefix; ++i) length = length << 8 | data[at + i];
        at += prefix;
        length = std::min(length, size - at);
        nal(data + at, length, kind);
        at += length;
      }
      return;
    }
    // Annex B: a unit runs from after one 00 00 01 to the next.
    std::size_t begin = 0;
    bool inside = false;
    for (std::size_t at = 0; at + 3 <= size;) {
      if (data[at + 2] > 1) {
        at += 3;
      } else if (data[at] == 0 && data[at + 1] == 0 && data[at + 2] == 1) {
        if (inside) nal(data + begin, at - begin, kind);
        begin = at + 3;
        inside = true;
        at += 3;
      } else {
        ++at;
      }
    }
    if (inside) nal(data + begin, size - begin, kind);
  }

  void nal(const std::uint8_t* data, std::size_t size, PacketKind& kind) {
    if (size < 2) return;
    if (hevc_) {
      hevc_nal(data, size, kind);
    } else {
      h264_nal(data, size);
    }
  }

  void h264_nal(const std::uint8_t* data, std::size_t size) {
    const int type = data[0] & 31;
    if (type == 7) read_sps(data, size);
    if (type != 1 && type != 2 && type != 5) return;
    ++slices_;
    if (type == 5) idr_ = true;
    if ((data[0] >> 5 & 3) != 0) all_droppable_ = false;
    const auto header = unescaped(data + 1, size - 1, 16);
    BitReader bits(header.data(), header.size());
    bits.exp_golomb();                                  // first_mb_in_slice
    const std::uint32_t slice = bits.exp_golomb() % 5;  // slice_type, H.264 table 7-6
    if (slice != 2 && slice != 4) intra_only_ = false;
  }

  void hevc_nal(const std::uint8_t* data, std::size_t size, PacketKind& kind) {
    const int type = data[0] >> 1 & 63;
    if (type == 33 && size > 2) read_hevc_sps(data, size);
    if (type == 36 || type == 37) pending_end_ = true;  // end of sequence, end of bitstream
    if (type > 31) return;
    const int nuh_layer = (data[0] & 1) << 5 | data[1] >> 3;
    if (nuh_layer > 0) return;  // multiview and scalable extensions are not decoded
    ++slices_;
    kind.layer = static_cast<std::uint32_t>(std::max(0, (data[1] & 7) - 1));
    if (type >= 16 && type <= 23) irap_ = true;
    if (type >= 16 && type <= 18) kind.broken_link = true;
    if (type == 8 || type == 9) kind.leading = true;
    // Sub-layer non-reference pictures, HEVC table 7-1: even types below 16.
    if (type >= 16 || (type & 1) != 0) all_droppable_ = false;
  }

  void read_avcc(const std::vector<std::uint8_t>& extra) {
    std::size_t at = 6;
    for (int count = extra[5] & 31; count > 0 && at + 2 <= extra.size(); --count) {
      const std::size_t length = static_cast<std::size_t>(extra[at]) << 8 | extra[at + 1];
      at += 2;
      if (length > extra.size() - at) return;
      if (length > 1) read_sps(extra.data() + at, length);
      at += length;
    }
  }

  // ISO 14496-15 8.3.3.1: arrays of parameter sets, each set with a 16-bit length.
  void read_hvcc(const std::vector<std::uint8_t>& extra) {
    PacketKind ignored;
    std::size_t at = 23;
    for (int arrays = extra[22]; arrays > 0 && at + 3 <= extra.size(); --arrays) {
      int count = extra[at + 1] << 8 | extra[at + 2];
      at += 3;
      for (; count > 0 && at + 2 <= extra.size(); --count) {
        const std::size_t length = static_cast<std::size_t>(extra[at]) << 8 | extra[at + 1];
        at += 2;
        if (length > extra.size() - at) return;
        if (length > 2) hevc_nal(extra.data() + at, length, ignored);
        at += length;
      }
    }
  }

  // H.264 7.3.2.1.1, as far as the size and whether there are fields.
  void read_sps(const std::uint8_t* data, std::size_t size) {
    const auto bytes = unescaped(data + 1, size - 1, 4096);
    BitReader bits(bytes.data(), bytes.size());
    const std::uint32_t profile = bits.bits(8);
    bits.skip(16);
    bits.exp_golomb();  // seq_parameter_set_id
    std::uint32_t chroma = 1;
    for (const std::uint32_t high :
         {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}) {
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
    if (!frames_only && !bits.exhausted()) interlaced_ = true;
    if (!frames_only) bits.skip(1);
    bits.skip(1);  // direct_8x8_inference_flag
    std::uint32_t crop[4] = {};
    if (bits.bit()) {
      for (std::uint32_t& side : crop) side = bits.exp_golomb();
    }
    if (bits.exhausted() || across > 1024 || down > 1024) return;
    const std::uint32_t unit_x = chroma == 1 || chroma == 2 ? 2 : 1;
    const std::uint32_t unit_y = (chroma == 1 ? 2 : 1) * (frames_only ? 1 : 2);
    set_size(16 * across, 16 * down * (frames_only ? 1 : 2), crop, unit_x, unit_y);
    if (!bits.bit() || !bits.bit()) return;  // VUI with an aspect ratio, H.264 E.1.1
    const std::uint32_t kind = bits.bits(8);
    // Table E-1; 255 is a ratio in full.
    static constexpr int kRatios[17][2] = {
        {0, 1},   {1, 1},   {12, 11}, {10, 11}, {16, 11},  {40, 33}, {24, 11}, {20, 11}, {32, 11},
        {80, 33}, {18, 11}, {15, 11}, {64, 33}, {160, 99}, {4, 3},   {3, 2},   {2, 1}};
    if (kind < 17) {
      aspect_num_ = kRatios[kind][0];
      aspect_den_ = kRatios[kind][1];
    } else if (kind == 255) {
      aspect_num_ = static_cast<int>(bits.bits(16));
      aspect_den_ = static_cast<int>(bits.bits(16));
    }
  }

  // HEVC 7.3.2.2.1, as far as the size.
  void read_hevc_sps(const std::uint8_t* data, std::size_t size) {
    const auto bytes = unescaped(data + 2, size - 2, 4096);
    BitReader bits(bytes.data(), bytes.size());
    bits.skip(4);
    const int sub_layers = static_cast<int>(bits.bits(3));
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
    if (bits.exhausted()) return;
    set_size(across, down, crop, chroma == 1 || chroma == 2 ? 2 : 1, chroma == 1 ? 2 : 1);
  }

  void set_size(std::uint32_t across, std::uint32_t down, const std::uint32_t (&crop)[4],
                std::uint32_t unit_x, std::uint32_t unit_y) {
    const std::int64_t width = std::int64_t{across} - std::int64_t{unit_x} * (crop[0] + crop[1]);
    const std::int64_t height = std::int64_t{down} - std::int64_t{unit_y} * (crop[2] + crop[3]);
    if (width <= 0 || height <= 0 || width > 1 << 16 || height > 1 << 16) return;
    width_ = static_cast<int>(width);
    height_ = static_cast<int>(height);
  }

  static void skip_scaling_list(BitReader& bits, int count) {
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

  bool hevc_;
  int length_bytes_ = 0;
  int slices_ = 0;
  bool intra_only_ = true, all_droppable_ = true, idr_ = false, irap_ = false;
  bool interlaced_ = false;
  bool end_of_sequence_ = false, pending_end_ = false;
};

}  // namespace

std::unique_ptr<BitstreamReader> make_nal_reader(const StreamFacts& facts, bool hevc) {
  return std::make_unique<NalReader>(facts, hevc);
}

}  // namespace deepsport
