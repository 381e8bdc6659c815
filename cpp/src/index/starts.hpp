// What packets say that tables cannot: whether a start is one, and which pictures are never shown.
#pragma once

#include "deepsport/index.hpp"
#include "index/bitstream.hpp"

namespace deepsport {

/// Which packets of a stream become frames, told in decoding order: none before the first start,
/// and no leading picture of a start that lacks what they are predicted from.
class Visibility {
 public:
  /// H.264 marks no leading pictures: whatever is shown before the first start is one, since a
  /// start that allows none (IDR) has nothing before it.
  explicit Visibility(const StreamFacts& facts) : by_time_(facts.codec == "h264") {}

  /// Set kKey and kHidden of the next packet, whose pts is known.
  void mark(const PacketKind& kind, bool key, Packet& packet) {
    if (key) {
      skip_leading_ = !started_ || kind.broken_link;
      if (!started_ && by_time_) first_pts_ = packet.pts;
      started_ = true;
      packet.flags |= Packet::kKey;
    }
    if (!kind.picture || (kind.leading && skip_leading_) || !started_ || packet.pts < first_pts_) {
      packet.flags |= Packet::kHidden;
    }
  }

 private:
  bool by_time_;
  bool started_ = false, skip_leading_ = false;
  std::int64_t first_pts_ = INT64_MIN;
};

/// Look at the first bytes of a few starts: is their size the description's, does decoding start
/// there? Takes over what the headers say and the container does not (pixel shape, colours).
bool starts_agree(const Source& source, FrameIndex& index);

}  // namespace deepsport
