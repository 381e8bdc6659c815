// VP8 and VP9 packets: key pictures and packets that show nothing. None is droppable: even a
// picture that refreshes no reference changes the probabilities and motion vectors the next one
// starts from.
#include "index/bits.hpp"
#include "index/bitstream.hpp"

namespace deepsport {
namespace {

class Vp8Reader final : public BitstreamReader {
 public:
  PacketKind look(const std::uint8_t* data, std::size_t size, bool) override {
    PacketKind kind;
    kind.known = size >= 3;
    if (!kind.known) return kind;
    kind.start = (data[0] & 1) == 0;         // RFC 6386 9.1
    kind.picture = (data[0] >> 4 & 1) != 0;  // show_frame
    if (kind.start && size >= 10) {          // behind the start code: 14 bits of size, 2 of scale
      width_ = data[6] | (data[7] & 63) << 8;
      height_ = data[8] | (data[9] & 63) << 8;
    }
    return kind;
  }
  std::optional<PacketKind> glance(const std::uint8_t* head, std::size_t held, std::size_t,
                                   bool container_key) override {
    return look(head, held, container_key);
  }
};

class Vp9Reader final : public BitstreamReader {
 public:
  // A packet may be a superframe (VP9 annex B): its last frames are what is shown.
  PacketKind look(const std::uint8_t* data, std::size_t size, bool) override {
    PacketKind kind;
    if (size == 0) return kind;
    kind.known = true;
    kind.picture = false;
    bool first = true;
    const std::uint8_t marker = data[size - 1];
    if ((marker & 0xe0) == 0xc0) {
      const std::size_t frames = (marker & 7u) + 1, bytes = (marker >> 3 & 3u) + 1;
      const std::size_t index = 2 + frames * bytes;
      if (size >= index && data[size - index] == marker) {
        const std::uint8_t* at = data + size - index + 1;
        std::size_t offset = 0;
        for (std::size_t i = 0; i < frames; ++i) {
          std::size_t length = 0;
          for (std::size_t b = 0; b < bytes; ++b) length |= std::size_t{*at++} << (8 * b);
          if (length > size - index - offset) break;
          frame(data + offset, length, first, kind);
          offset += length;
          first = false;
        }
        return kind;
      }
    }
    frame(data, size, true, kind);
    return kind;
  }
  // A first frame that is shown says all; behind a hidden one the others must be looked at.
  std::optional<PacketKind> glance(const std::uint8_t* head, std::size_t held, std::size_t size,
                                   bool container_key) override {
    if (held == size) return look(head, size, container_key);
    PacketKind kind;
    kind.known = true;
    kind.picture = false;
    frame(head, held, true, kind);
    if (!kind.picture) return std::nullopt;
    return kind;
  }

 private:
  void frame(const std::uint8_t* data, std::size_t size, bool first, PacketKind& kind) {
    if (size == 0) return;
    BitReader bits(data, size);
    bits.skip(2);  // frame_marker
    const std::uint32_t low = bits.bits(1);
    const std::uint32_t profile = bits.bits(1) << 1 | low;
    if (profile == 3) bits.skip(1);
    if (bits.bit()) {  // show_existing_frame
      kind.picture = true;
      return;
    }
    const bool inter = bits.bit();
    const bool shown = bits.bit();
    if (shown) kind.picture = true;
    if (!first || inter) return;
    kind.start = true;
    bits.skip(1);                           // error_resilient_mode
    if (bits.bits(24) != 0x498342) return;  // frame_sync_code
    if (profile >= 2) bits.skip(1);         // ten_or_twelve_bit
    constexpr std::uint32_t kRgb = 7;
    // ITU-T H.273 numbers of color_space, VP9 7.2.2.
    static constexpr int kSpaces[8] = {2, 5, 1, 6, 7, 9, 2, 0};
    const std::uint32_t space = bits.bits(3);
    const bool rgb = space == kRgb;
    const bool full = rgb || bits.bit();
    color_space_ = kSpaces[space];
    color_range_ = full ? 2 : 1;
    const bool odd = (profile & 1) != 0;
    if (odd) bits.skip(rgb ? 1 : 3);  // subsampling, reserved_zero
    width_ = static_cast<int>(bits.bits(16)) + 1;
    height_ = static_cast<int>(bits.bits(16)) + 1;
  }
};

}  // namespace

std::unique_ptr<BitstreamReader> make_vpx_reader(bool vp9) {
  if (vp9) return std::make_unique<Vp9Reader>();
  return std::make_unique<Vp8Reader>();
}

}  // namespace deepsport
