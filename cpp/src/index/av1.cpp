// AV1 temporal units: shown pictures, key pictures, and units of which nothing is kept as reference
// (refresh_frame_flags of every frame is zero). Clauses are those of the AV1
// specification, 5.5-5.9.
#include "index/bits.hpp"
#include "index/bitstream.hpp"

namespace deepsport {
namespace {

constexpr int kSelect = 2;  // SELECT_SCREEN_CONTENT_TOOLS, SELECT_INTEGER_MV

struct Sequence {
  bool known = false, reduced = false, decoder_model = false, equal_interval = false;
  int time_bits = 0, id_bits = 0, order_hint_bits = 0;
  int screen_content = kSelect, integer_mv = kSelect;
  int width = 0, height = 0;  // largest
  int color_primaries = 2, color_transfer = 2, color_space = 2, color_range = 0;
};

Sequence read_sequence(const std::uint8_t* data, std::size_t size) {
  BitReader bits(data, size);
  Sequence s;
  const std::uint32_t profile = bits.bits(3);
  bits.skip(1);  // still_picture
  s.reduced = bits.bit();
  if (s.reduced) {
    bits.skip(5);
  } else {
    int delay_bits = 0;
    if (bits.bit()) {  // timing_info_present_flag
      bits.skip(64);
      s.equal_interval = bits.bit();
      if (s.equal_interval) bits.exp_golomb();
      s.decoder_model = bits.bit();
      if (s.decoder_model) {
        delay_bits = static_cast<int>(bits.bits(5)) + 1;
        bits.skip(37);
        s.time_bits = static_cast<int>(bits.bits(5)) + 1;
      }
    }
    const bool initial_delay = bits.bit();
    for (int points = static_cast<int>(bits.bits(5)) + 1; points > 0; --points) {
      bits.skip(12);
      if (bits.bits(5) > 7) bits.skip(1);
      if (s.decoder_model && bits.bit()) bits.skip(2 * delay_bits + 1);
      if (initial_delay && bits.bit()) bits.skip(4);
    }
  }
  const int width_bits = static_cast<int>(bits.bits(4)) + 1;
  const int height_bits = static_cast<int>(bits.bits(4)) + 1;
  s.width = static_cast<int>(bits.bits(width_bits)) + 1;
  s.height = static_cast<int>(bits.bits(height_bits)) + 1;
  if (!s.reduced && bits.bit()) {  // frame_id_numbers_present_flag
    const int delta = static_cast<int>(bits.bits(4)) + 2;
    s.id_bits = delta + static_cast<int>(bits.bits(3)) + 1;
  }
  bits.skip(3);
  if (!s.reduced) {
    bits.skip(4);
    const bool order_hint = bits.bit();
    if (order_hint) bits.skip(2);
    s.screen_content = bits.bit() ? kSelect : static_cast<int>(bits.bits(1));
    if (s.screen_content > 0) s.integer_mv = bits.bit() ? kSelect : static_cast<int>(bits.bits(1));
    if (order_hint) s.order_hint_bits = static_cast<int>(bits.bits(3)) + 1;
  }
  bits.skip(3);  // superres, cdef, restoration
  const bool high_depth = bits.bit();
  if (profile == 2 && high_depth) bits.skip(1);
  const bool mono = profile != 1 && bits.bit();
  if (bits.bit()) {  // color_description_present_flag
    s.color_primaries = static_cast<int>(bits.bits(8));
    s.color_transfer = static_cast<int>(bits.bits(8));
    s.color_space = static_cast<int>(bits.bits(8));
  }
  const bool srgb = !mono && s.color_primaries == 1 && s.color_transfer == 13 && s.color_space == 0;
  s.color_range = srgb || bits.bit() ? 2 : 1;
  s.known = !bits.exhausted();
  return s;
}

class Av1Reader final : public BitstreamReader {
 public:
  explicit Av1Reader(const StreamFacts& facts) {
    const auto& extra = facts.extradata;  // av1C: four bytes, then OBUs
    if (extra.size() > 4) look(extra.data() + 4, extra.size() - 4, false);
  }

  // A temporal unit always shows a picture.
  std::optional<PacketKind> glance(const std::uint8_t* head, std::size_t held, std::size_t,
                                   bool container_key) override {
    PacketKind kind = look(head, held, container_key);
    kind.picture = true;
    kind.droppable = false;
    return kind;
  }

  PacketKind look(const std::uint8_t* data, std::size_t size, bool) override {
    PacketKind kind;
    kind.known = true;
    shown_ = 0;
    kept_ = key_ = false;
    certain_ = true;
    std::size_t at = 0;
    while (at < size) {
      const int type = data[at] >> 3 & 15;
      const bool extension = (data[at] & 4) != 0, has_size = (data[at] & 2) != 0;
      at += extension ? 2 : 1;
      if (at > size) break;
      std::uint64_t length = size - at;
      if (has_size) {
        length = 0;
        for (int i = 0; i < 8 && at < size; ++i) {  // leb128
          const std::uint8_t byte = data[at++];
          length |= std::uint64_t{byte & 127u} << (7 * i);
          if ((byte & 128) == 0) break;
        }
      }
      if (length > size - at) {  // cut off: its header may still be there
        certain_ = false;
        length = size - at;
      }
      const auto bytes = static_cast<std::size_t>(length);
      if (type == 1) {
        sequence_ = read_sequence(data + at, bytes);
        width_ = sequence_.width;
        height_ = sequence_.height;
        color_primaries_ = sequence_.color_primaries;
        color_transfer_ = sequence_.color_transfer;
        color_space_ = sequence_.color_space;
        color_range_ = sequence_.color_range;
      }
      if (type == 3 || type == 6) frame_header(data + at, bytes);
      at += bytes;
    }
    kind.picture = shown_ > 0;
    kind.start = key_;
    kind.droppable = certain_ && shown_ > 0 && !kept_;
    if (!certain_) kind.picture = true;
    return kind;
  }

 private:
  void frame_header(const std::uint8_t* data, std::size_t size) {
    if (!sequence_.known) {
      certain_ = false;
      return;
    }
    const Sequence& s = sequence_;
    if (s.reduced) {
      ++shown_;
      key_ = kept_ = true;
      return;
    }
    BitReader bits(data, size);
    if (bits.bit()) {  // show_existing_frame; showing a key frame also refreshes references
      ++shown_;
      kept_ = true;
      return;
    }
    const std::uint32_t type = bits.bits(2);  // 0 key, 1 inter, 2 intra only, 3 switch
    const bool show = bits.bit();
    if (show && s.decoder_model && !s.equal_interval) bits.skip(s.time_bits);
    if (!show) bits.skip(1);
    const bool resilient = type == 3 || (type == 0 && show) || bits.bit();
    bits.skip(1);  // disable_cdf_update
    const int screen =
        s.screen_content == kSelect ? static_cast<int>(bits.bits(1)) : s.screen_content;
    if (screen != 0 && s.integer_mv == kSelect) bits.skip(1);
    bits.skip(s.id_bits);
    if (type != 3) bits.skip(1);  // frame_size_override_flag
    bits.skip(s.order_hint_bits);
    if (type != 0 && type != 2 && !resilient) bits.skip(3);  // primary_ref_frame
    if (s.decoder_model) certain_ = false;  // buffer removal times: not worth following
    const std::uint32_t refresh = type == 3 || (type == 0 && show) ? 255 : bits.bits(8);
    if (show) ++shown_;
    if (type == 0 && show) key_ = true;
    if (refresh != 0 || bits.exhausted()) kept_ = true;
  }

  Sequence sequence_;
  int shown_ = 0;
  bool kept_ = false, certain_ = true, key_ = false;
};

}  // namespace

std::unique_ptr<BitstreamReader> make_av1_reader(const StreamFacts& facts) {
  return std::make_unique<Av1Reader>(facts);
}

}  // namespace deepsport
