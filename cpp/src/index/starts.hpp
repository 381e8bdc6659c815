// What packets say that tables cannot: whether a start is one, and which pictures are never shown.
#pragma once

#include "deepsport/index.hpp"
#include "index/bitstream.hpp"

namespace deepsport {

/// Which packets of a stream become frames, told in decoding order: none before the first start,
/// and no leading picture of a start that lacks what they are predicted from.
class Visibility {
 public:
  /// Set kKey and kHidden of the next packet.
  void mark(const PacketKind& kind, bool key, Packet& packet) {
    if (key) {
      skip_leading_ = !started_ || kind.broken_link;
      started_ = true;
      packet.flags |= Packet::kKey;
    }
    if (!kind.picture || (kind.leading && skip_leading_) || !started_) {
      packet.flags |= Packet::kHidden;
    }
  }

 private:
  bool started_ = false, skip_leading_ = false;
};

/// Look at the first bytes of a few starts: is their size the description's, does decoding start
/// there? Takes over what the headers say and the container does not (pixel shape, colours).
bool starts_agree(const Source& source, FrameIndex& index);

}  // namespace deepsport
