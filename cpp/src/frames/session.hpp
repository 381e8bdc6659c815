// A decoder at work on one video: runs segments, remembers where it stands so that the next request
// can go on from there, says which pictures are damaged.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>

#include "deepsport/frames.hpp"
#include "ffmpeg/codec.hpp"
#include "frames/lookout.hpp"
#include "frames/packet_reader.hpp"
#include "frames/plan.hpp"

namespace deepsport {

/// Called once for each target that came out; the frame is the callee's for the call only.
using Deliver = std::function<void(std::uint32_t packet, AVFrame* frame, FrameStatus status)>;

/// One object per thread.
class Session {
 public:
  Session(std::shared_ptr<const Source> source, const FrameIndex& index, const Limits& limits);

  struct Options {
    bool drop_unneeded = true;
    bool stay_open = false;  ///< the next request is likely to follow on: do not drain
  };
  /// Decode a segment. Targets that nothing came out for are simply not delivered.
  void run(const Segment& segment, const Options& options, Deadline& deadline,
           const Deliver& deliver, DecodeCounts& counts);

 private:
  void attempt(std::uint32_t start, std::vector<std::uint32_t>& open_targets,
               const Options& options, Deadline& deadline, const Deliver& deliver,
               DecodeCounts& counts);
  void add_headers(std::uint32_t number, bool fresh, AVPacket* packet) const;

  const FrameIndex& index_;
  PacketReader reader_;
  Lookout lookout_;
  ffmpeg::Codec codec_;
  ffmpeg::PacketPtr packet_;
  bool running_ = false;            // not drained: may go on
  std::uint32_t began_ = 0;         // the start it was fed from
  std::uint32_t next_ = 0;          // the packet to feed next
  std::uint32_t damaged_from_ = 0;  // first packet of this run that failed; UINT32_MAX when none
  std::set<std::uint32_t> inside_;  // fed in this run, not come out yet
  std::map<std::uint32_t, ffmpeg::FramePtr> held_;  // came out before they were asked for
};

}  // namespace deepsport
