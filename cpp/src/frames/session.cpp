#include "frames/session.hpp"

#include <algorithm>
#include <cstring>

namespace deepsport {
namespace {

constexpr std::size_t kMostHeld = 16;  // pictures; a reorder delay is at most that
constexpr std::size_t kMostAhead = 4;  // packets fed only to see whether a reference is whole

}  // namespace

Session::Session(std::shared_ptr<const Source> source, const FrameIndex& index,
                 const Limits& limits)
    : index_(index),
      reader_(std::move(source), index, limits),
      lookout_(index),
      codec_(index.stream, limits, index.reorder_depth),
      damage_(index),
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

// Pictures come out in the order they are shown: one that should have come before `frame` is lost.
void Session::mark_lost(std::int64_t frame) {
  for (auto fed = inside_.begin(); fed != inside_.end();) {
    if (index_.frame_of_packet[*fed] >= frame) {
      ++fed;
      continue;
    }
    if (belongs(*fed)) damage_.mark(*fed);
    fed = inside_.erase(fed);
  }
}

void Session::run(const Segment& segment, const Options& options, Deadline& deadline,
                  const Deliver& deliver, DecodeCounts& counts) {
  if (options.loop_filter != loop_filter_) {  // pictures of the other kind are no references
    running_ = false;
    held_.clear();
    codec_.set_loop_filter(options.loop_filter);
    loop_filter_ = options.loop_filter;
  }
  std::vector<std::uint32_t> open_targets = segment.targets;
  std::vector<std::uint32_t> sound;  // delivered as such
  const Deliver noted = [&](std::uint32_t number, AVFrame* frame, FrameStatus status) {
    if (status == FrameStatus::kOk) sound.push_back(number);
    deliver(number, frame, status);
  };
  std::uint32_t start = segment.start;
  bool real = attempt(start, open_targets, options, deadline, noted, counts);
  // Nothing came out for some. Perhaps the start was none: then from the start before it, which is
  // what a player would have met. Else the picture is lost, or needs what lies before: once more.
  for (bool again = true; !open_targets.empty() && start > 0 && (again || !real);) {
    if (real) again = false;
    const auto& keys = index_.key_packets;
    const auto key = std::lower_bound(keys.begin(), keys.end(), start);
    start = key == keys.begin() ? 0 : *(key - 1);
    running_ = false;
    Options plain;
    plain.drop_unneeded = false;
    real = attempt(start, open_targets, plain, deadline, noted, counts);
  }
  // A picture leaves the decoder before those it refers to, and only then is their damage seen.
  for (const std::uint32_t number : sound) {
    if (damage_.reaches(number)) deliver(number, nullptr, FrameStatus::kDamaged);
  }
}

bool Session::attempt(std::uint32_t start, std::vector<std::uint32_t>& open_targets,
                      const Options& options, Deadline& deadline, const Deliver& deliver,
                      DecodeCounts& counts) {
  const auto hand_over = [&](std::uint32_t number, AVFrame* frame) {
    const auto target = std::lower_bound(open_targets.begin(), open_targets.end(), number);
    if (target == open_targets.end() || *target != number) return false;
    open_targets.erase(target);
    const bool damaged = ffmpeg::is_damaged(*frame) || damage_.reaches(number) ||
                         index_.packets[number].is(Packet::kDamaged);
    deliver(number, frame, damaged ? FrameStatus::kDamaged : FrameStatus::kOk);
    return true;
  };
  for (auto held = held_.begin(); held != held_.end();) {
    held = hand_over(held->first, held->second.get()) ? held_.erase(held) : std::next(held);
  }
  if (open_targets.empty()) return true;

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
    damage_.clear();
    began_ = next_ = start;
    ++counts.seeks;
  }
  running_ = false;  // until this run has gone well
  const ffmpeg::Sink sink = [&](std::uint32_t number, AVFrame* frame) {
    inside_.erase(number);
    if (ffmpeg::is_damaged(*frame) && belongs(number)) damage_.mark(number);
    mark_lost(index_.frame_of_packet[number]);
    if (hand_over(number, frame) || !options.stay_open || held_.size() >= kMostHeld) return;
    if (index_.frame_of_packet[number] < 0 || !belongs(number)) return;
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
    if (index_.frame_of_packet[number] >= 0) inside_.insert(number);
    const int code = codec_.feed(packet_.get(), sink);
    const bool failed = code < 0 && code != AVERROR_EOF;
    if (failed || index_.packets[number].is(Packet::kDamaged)) damage_.mark(number);
    ++counts.packets_decoded;
    return true;
  };
  auto target = std::lower_bound(targets.begin(), targets.end(), next_);
  for (; next_ <= targets.back(); ++next_) {
    const bool is_target = target != targets.end() && *target == next_;
    if (is_target) ++target;
    if (!feed(next_, options.drop_unneeded && !is_target && next_ != began_)) return false;
  }
  // The last targets may still be inside, or what they refer to, whose damage is told only when it
  // comes out. Feeding on keeps the decoder usable for what follows; draining decodes nothing more,
  // but ends the run.
  const auto referred_to_is_inside = [&] {
    return std::any_of(inside_.begin(), inside_.lower_bound(targets.back()), [&](std::uint32_t n) {
      return !index_.packets[n].is(Packet::kDroppable) && belongs(n);
    });
  };
  const auto count = static_cast<std::uint32_t>(index_.packets.size());
  const auto up_to = [&](std::size_t more) {
    return std::min(count, next_ + static_cast<std::uint32_t>(options.stay_open ? more : 0));
  };
  for (const std::uint32_t limit = up_to(2 * kMostHeld); !open_targets.empty() && next_ < limit;) {
    feed(next_++, false);
  }
  for (const std::uint32_t limit = up_to(kMostAhead); next_ < limit && referred_to_is_inside();) {
    feed(next_++, false);
  }
  running_ = open_targets.empty() && (options.stay_open || !referred_to_is_inside());
  if (!running_) codec_.feed(nullptr, sink);
  return true;
}

}  // namespace deepsport
