// Packets of an index in the form NVDEC's parser reads: start codes instead of lengths, and the
// parameter sets in front of wherever decoding starts.
#pragma once

#include <cstdint>
#include <vector>

#include "deepsport/index.hpp"
#include "ffmpeg/handles.hpp"

namespace deepsport::cuda {

/// One object per thread.
class ParserInput {
 public:
  explicit ParserInput(const FrameIndex& index) : index_(index) {}

  /// The bytes to parse for packet `number`; valid until the next call. `starts`: the first packet
  /// after a flush, so that nothing said before it counts. @throws Error kUnsupported, kCorrupt.
  const std::vector<std::uint8_t>& convert(std::uint32_t number, AVPacket* packet, bool starts);

 private:
  const std::vector<std::uint8_t>& headers_at(std::uint32_t number) const;
  void open_filter(const std::vector<std::uint8_t>& headers);

  const FrameIndex& index_;
  const std::vector<std::uint8_t>* open_for_ = nullptr;
  ffmpeg::FilterPtr filter_;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace deepsport::cuda
