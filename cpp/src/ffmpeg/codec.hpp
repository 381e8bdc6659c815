// One decoder of one stream, fed with packets that carry their number in the index as pts, so that
// each picture that comes out names the packet it was made of. One thread, always.
#pragma once

#include <cstdint>
#include <functional>

#include "deepsport/video.hpp"
#include "ffmpeg/handles.hpp"

namespace deepsport::ffmpeg {

/// Called with the packet number of each picture; the frame is the callee's for the call only.
using Sink = std::function<void(std::uint32_t packet, AVFrame* frame)>;

class Codec {
 public:
  /// `reorder_depth`: how many pictures may precede one in decoding and follow it in display.
  /// `as_player`: hold back pictures that FFmpeg thinks incomplete after a start, as players do.
  /// @throws Error kUnsupported.
  Codec(const StreamFacts& facts, const Limits& limits, int reorder_depth, bool as_player = false);

  /// Decode a packet, or with null drain what is left. Damage is not an error here: what comes out
  /// comes out, marked. Returns FFmpeg's code for the packet.
  int feed(AVPacket* packet, const Sink& sink);
  /// Forget everything; the next packet must be a start.
  void flush();
  /// Off: faster, and pictures that drift from what was encoded. To be followed by flush().
  void set_loop_filter(bool on);

 private:
  CodecPtr context_;
  FramePtr frame_;
};

/// Did the decoder say that this picture is not what was encoded?
bool is_damaged(const AVFrame& frame) noexcept;

}  // namespace deepsport::ffmpeg
