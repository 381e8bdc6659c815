#include "frames/session.hpp"

#include <algorithm>
#include <cstring>

namespace deepsport {
namespace {

constexpr std::size_t kMostHeld = 16;  // pictures; a reorder delay is at most that

}  // namespace

Session::Session(std::shared_ptr<const Source> source, const FrameIndex& index,
                 const Limits& limits)
    : index_(index),
      reader_(std::move(source), index, limits),
      lookout_(index),
      codec_(index.stream, limits, index.reorder_depth),
      packet_(ffmpeg::make_packet()) {}

void Session::add_headers(std::uint32_t number, bool fresh, AVPacket* packet) const {
  const FrameIndex::Headers* active = nullptr;
  for (const auto& change : index_.header_changes) {
    if (change.packet <= number) active = &change;
  }
  if (active == nullptr || !(fresh || active->packet == number)) return;
  std::uint8_t* data = ffmpeg::checked(
      av_packet_new_side_data(packet, AV_PKT_DATA_NEW_EXTRADATA, active->extradata.size()));
  std::memcpy(data, active->extradata.data(), active->extradata.size());
}

void Session::run(const Segment& segment, const Options& options, Deadline& deadline,
                  const Deliver& deliver, DecodeCounts& counts) {
  std::vector<std::uint32_t> open_targets = segment.targets;
  attempt(segment.start, open_targets, options, deadline, deliver, counts);
  // Nothing came out for some: perhaps the start was none. Once more, from the start before it, and
  // at last from the very beginning, which is what a player would have done.
  std::uint32_t start = segment.start;
  for (int tries = 0; !open_targets.empty() && start > 0 && tries < 2; ++tries) {
    const auto& keys = index_.key_packets;
    const auto key = std::lower_bound(keys.begin(), keys.end(), start);
    start = key == keys.begin() || tries == 1 ? 0 : *(key - 1);
    running_ = false;
    Options plain;
    plain.drop_unneeded = false;
    attempt(start, open_targets, plain, deadline, deliver, counts);
  }
}

void Session::attempt(std::uint32_t start, std::vector<std::uint32_t>& open_targets,
                      const Options& options, Deadline& deadline, const Deliver& deliver,
                      DecodeCounts& counts) {
  const auto hand_over = [&](std::uint32_t number, AVFrame* frame) {
    const auto target = std::lower_bound(open_targets.begin(), open_targets.end(), number);
    if (target == open_targets.end() || *target != number) return false;
    open_targets.erase(target);
    const bool damaged = ffmpeg::is_damaged(*frame) || number >= damaged_from_ ||
                         index_.packets[number].is(Packet::kDamaged);
    deliver(number, frame, damaged ? FrameStatus::kDamaged : FrameStatus::kOk);
    return true;
  };
  for (auto held = held_.begin(); held != held_.end();) {
    held = hand_over(held->first, held->second.get()) ? held_.erase(held) : std::next(held);
  }
  if (open_targets.empty()) return;

  const std::vector<std::uint32_t> targets = open_targets;
  std::int64_t first_frame = INT64_MAX;
  for (const std::uint32_t target : targets) {
    first_frame = std::min(first_frame, index_.frame_of_packet[target]);
  }
  for (auto held = held_.begin(); held != held_.end();) {  // reading goes forward: these are behind
    const bool behind = index_.frame_of_packet[held->first] < first_frame;
    held = behind ? held_.erase(held) : std::next(held);
  }
  // What was fed already must still be on its way: not dropped, not come out unasked and let go.
  const bool reachable = std::all_of(targets.begin(), targets.end(), [this](std::uint32_t target) {
    return target >= next_ || inside_.count(target) != 0;
  });
  const bool go_on = running_ && began_ <= start && next_ >= start && reachable;
  if (!go_on) {
    codec_.flush();
    held_.clear();
    inside_.clear();
    began_ = next_ = start;
    damaged_from_ = UINT32_MAX;
    ++counts.seeks;
  }
  running_ = false;  // until this run has gone well
  const ffmpeg::Sink sink = [&](std::uint32_t number, AVFrame* frame) {
    inside_.erase(number);
    if (hand_over(number, frame) || !options.stay_open || held_.size() >= kMostHeld) return;
    if (index_.frame_of_packet[number] < 0) return;
    held_[number] = ffmpeg::FramePtr(ffmpeg::checked(av_frame_clone(frame)));
  };
  const auto feed = [&](std::uint32_t number, bool droppable) {
    deadline.poll("decoding");
    const bool fresh = number == began_;
    if (droppable && !lookout_.needs_bytes() && lookout_.may_drop(number, *packet_)) {
      ++counts.packets_dropped;
      return true;
    }
    reader_.read(number, packet_.get(), deadline);
    if (fresh && number > 0 && !lookout_.is_start(number, *packet_)) return false;
    if (droppable && lookout_.needs_bytes() && lookout_.may_drop(number, *packet_)) {
      ++counts.packets_dropped;
      return true;
    }
    add_headers(number, fresh, packet_.get());
    if (!fresh && index_.packets[number].is(Packet::kKey)) damaged_from_ = UINT32_MAX;
    if (index_.frame_of_packet[number] >= 0) inside_.insert(number);
    const int code = codec_.feed(packet_.get(), sink);
    if (code < 0 && code != AVERROR_EOF) damaged_from_ = std::min(damaged_from_, number);
    ++counts.packets_decoded;
    return true;
  };
  auto target = std::lower_bound(targets.begin(), targets.end(), next_);
  for (; next_ <= targets.back(); ++next_) {
    const bool is_target = target != targets.end() && *target == next_;
    if (is_target) ++target;
    if (!feed(next_, options.drop_unneeded && !is_target && next_ != began_)) return;
  }
  // The last targets may still be inside. Feeding on keeps the decoder usable for what follows;
  // draining decodes nothing more, but ends the run.
  const auto count = static_cast<std::uint32_t>(index_.packets.size());
  const std::uint32_t limit = std::min(
      count, next_ + (options.stay_open ? 2u * static_cast<std::uint32_t>(kMostHeld) : 0u));
  while (!open_targets.empty() && next_ < limit) feed(next_++, false);
  if (open_targets.empty()) {
    running_ = true;
    return;
  }
  codec_.feed(nullptr, sink);
}

}  // namespace deepsport
