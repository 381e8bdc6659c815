// A decoder at work on one video: runs segments, remembers where it stands so that the next request
// can go on from there, says which pictures are damaged.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>

#include "deepsport/frames.hpp"
#include "ffmpeg/codec.hpp"
#include "frames/damage.hpp"
#include "frames/lookout.hpp"
#include "frames/packet_reader.hpp"
#include "frames/plan.hpp"

namespace deepsport {

/// Called once for each target that came out; the frame is the callee's for the call only. Called
/// again without a frame when its status turned out to be worse.
using Deliver = std::function<void(std::uint32_t packet, AVFrame* frame, FrameStatus status)>;

/// One object per thread.
class Session {
 public:
  Session(std::shared_ptr<const Source> source, const FrameIndex& index, const Limits& limits);

  struct Options {
    bool drop_unneeded = true;
    bool loop_filter = true;
    bool stay_open = false;  ///< the next request is likely to follow on: do not drain
  };
  /// Decode a segment. Targets that nothing came out for are simply not delivered.
  void run(const Segment& segment, const Options& options, Deadline& deadline,
           const Deliver& deliver, DecodeCounts& counts);

 private:
  /// Returns false where the start turned out to be none.
  bool attempt(std::uint32_t start, std::vector<std::uint32_t>& open_targets,
               const Options& options, Deadline& deadline, const Deliver& deliver,
               DecodeCounts& counts);
  void mark_lost(std::int64_t frame);
  bool belongs(std::uint32_t number) const {
    return can_be_decoded_from(index_, began_, number);
  }
  void add_headers(std::uint32_t number, bool fresh, AVPacket* packet) const;

  const FrameIndex& index_;
  PacketReader reader_;
  Lookout lookout_;
  ffmpeg::Codec codec_;
  Damage damage_;
  ffmpeg::PacketPtr packet_;
  bool running_ = false;                            // not drained: may go on
  bool loop_filter_ = true;                         // what was decoded with
  std::uint32_t began_ = 0;                         // the start it was fed from
  std::uint32_t next_ = 0;                          // the packet to feed next
  std::set<std::uint32_t> inside_;                  // fed in this run, not come out yet
  std::map<std::uint32_t, ffmpeg::FramePtr> held_;  // came out before they were asked for
};

}  // namespace deepsport
