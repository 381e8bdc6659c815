// H.264 and HEVC packets: NAL unit types, nal_ref_idc, temporal layers, slice types.
#include <algorithm>
#include <vector>

#include "index/bits.hpp"
#include "index/bitstream.hpp"
#include "index/sps.hpp"

namespace deepsport {
namespace {

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

  // All slices of a picture agree on what look() asks (H.264 7.4.1, HEVC 7.4.2.2).
  std::optional<PacketKind> glance(const std::uint8_t* head, std::size_t held, std::size_t,
                                   bool container_key) override {
    PacketKind kind = look(head, held, container_key);
    if (slices_ == 0) return std::nullopt;
    kind.droppable = false;
    return kind;
  }

  bool one_picture_per_packet() const override {
    return !interlaced_;
  }

  int highest_layer() const override {
    return highest_layer_;
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
        if (!hevc_ && slices_ > 0) return;  // the slices of a picture agree, sets stand before them
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
    if (type == 7) take(read_h264_sps(data, size));
    if (type == 7 || type == 8) all_droppable_ = false;  // later pictures may need the sets
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
    const int nuh_layer = (data[0] & 1) << 5 | data[1] >> 3;
    if (type == 33 && nuh_layer == 0 && size > 2) take(read_hevc_sps(data, size));
    if (type >= 32 && type <= 34) all_droppable_ = false;  // later pictures may need the sets
    if (type == 36 || type == 37) pending_end_ = true;     // end of sequence, end of bitstream
    if (type > 31) return;
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
      if (length > 1) take(read_h264_sps(extra.data() + at, length));
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

  void take(const SpsFacts& sps) {
    highest_layer_ = std::max(highest_layer_, sps.sub_layers);
    interlaced_ = interlaced_ || sps.interlaced;
    if (sps.width == 0) return;
    width_ = sps.width;
    height_ = sps.height;
    aspect_num_ = sps.aspect_num;
    aspect_den_ = sps.aspect_den;
    color_primaries_ = sps.color_primaries;
    color_transfer_ = sps.color_transfer;
    color_space_ = sps.color_space;
    color_range_ = sps.color_range;
  }

  bool hevc_;
  int highest_layer_ = -1;
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
