// What a packet's own bytes say: does it become a picture, may decoding start there, does any other
// picture need it. Container flags are not believed: for H.264 they are absent, for AV1 wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "deepsport/video.hpp"

namespace deepsport {

struct PacketKind {
  bool known = false;      ///< false: the rest says nothing
  bool picture = true;     ///< a picture of its own comes out
  bool start = false;      ///< decoding may start here
  bool droppable = false;  ///< no other picture of this or a lower layer needs it
  bool leading = false;    ///< HEVC RASL: undecodable when decoding starts at its key picture
  bool broken_link =
      false;                ///< HEVC BLA, or after an end of sequence: leading ones are never shown
  std::uint32_t layer = 0;  ///< HEVC temporal layer
};

/// One per stream: sequence headers are remembered from packet to packet. One object per thread.
class BitstreamReader {
 public:
  virtual ~BitstreamReader() = default;
  virtual PacketKind look(const std::uint8_t* data, std::size_t size, bool container_key) = 0;
  /// The same from the first `held` bytes of a packet of `size`, except that nothing is said of
  /// `droppable`; nothing when they do not tell.
  virtual std::optional<PacketKind> glance(const std::uint8_t* head, std::size_t held,
                                           std::size_t size, bool container_key) {
    if (held < size) return std::nullopt;
    return look(head, size, container_key);
  }
  /// HEVC: the highest temporal layer that the parameter sets seen so far allow; negative when
  /// they do not tell.
  virtual int highest_layer() const {
    return -1;
  }
  /// False when the packets of this stream do not correspond to pictures one to one (interlaced
  /// H.264, or a codec that is not read here), so that only decoding tells.
  virtual bool one_picture_per_packet() const {
    return true;
  }
  /// Size of the pictures, cropped, as the latest headers say; false when not known.
  virtual bool picture_size(int& width, int& height) const {
    width = width_;
    height = height_;
    return width_ > 0 && height_ > 0;
  }
  /// Fill in what the container left open and the latest headers say: shape of a pixel, colours.
  void complete(StreamFacts& facts) const;

 protected:
  int aspect_num_ = 0, aspect_den_ = 0;
  int width_ = 0, height_ = 0;
  // ITU-T H.273; 2 is unspecified. Of ranges, 0 is unspecified, 1 limited, 2 full, as in FFmpeg.
  int color_primaries_ = 2, color_transfer_ = 2, color_space_ = 2, color_range_ = 0;
};

std::unique_ptr<BitstreamReader> make_bitstream_reader(const StreamFacts& facts);

// One per family, each in a file of its own.
std::unique_ptr<BitstreamReader> make_nal_reader(const StreamFacts& facts, bool hevc);
std::unique_ptr<BitstreamReader> make_av1_reader(const StreamFacts& facts);
std::unique_ptr<BitstreamReader> make_vpx_reader(bool vp9);

}  // namespace deepsport
