// Decides, packet by packet, what must be decoded. A scanned index knows already; one read from
// sample tables has not seen the packets, so their own bytes are asked when they pass.
#pragma once

#include <memory>

#include "deepsport/index.hpp"
#include "ffmpeg/handles.hpp"
#include "index/bitstream.hpp"

namespace deepsport {

/// One object per thread.
class Lookout {
 public:
  explicit Lookout(const FrameIndex& index);

  /// Must the packets be read before may_drop() can tell?
  bool needs_bytes() const noexcept {
    return reader_ != nullptr;
  }
  /// May this packet be left out when its own picture is not wanted?
  bool may_drop(std::uint32_t number, const AVPacket& packet);
  /// Can decoding start with this packet?
  bool is_start(std::uint32_t number, const AVPacket& packet);

 private:
  const FrameIndex& index_;
  std::unique_ptr<BitstreamReader> reader_;
  std::uint32_t droppable_layer_ = 0;  // HEVC: lower temporal layers serve higher ones
  bool layers_known_ = true;
};

}  // namespace deepsport
