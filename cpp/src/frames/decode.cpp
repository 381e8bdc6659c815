// Runs a request: plans it, spreads its segments over workers, hands each picture to where it goes.
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "deepsport/frames.hpp"
#include "frames/convert.hpp"
#include "frames/picture_writer.hpp"
#include "frames/plan.hpp"
#include "frames/session.hpp"
#include "frames/workers.hpp"

extern "C" {
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
}

namespace deepsport {

// Idle decoders, most recently used last. Belongs to the process that made it: after fork() the
// child leaves it alone (a thread of the parent may have held the mutex) and makes its own.
struct Video::State {
  pid_t process = ::getpid();
  std::mutex mutex;
  std::vector<std::unique_ptr<Session>> idle;
  std::int64_t last_frame = -1;  // of the latest request, to notice reading in order

  // Called from the workers of one request, with the frame index of each picture; without the
  // picture when only its status is told again.
  using Take = std::function<void(int worker, std::int64_t frame, const AVFrame* picture,
                                  FrameStatus status)>;
  void decode(Video& video, const std::vector<std::int64_t>& frames, const DecodeOptions& options,
              const Take& take, DecodeCounts* counts);

  std::unique_ptr<Session> borrow(const Video& video);
  void give_back(std::unique_ptr<Session> session);
  bool follows_on(const std::vector<std::int64_t>& frames);
};

namespace {

constexpr std::size_t kMostIdle = 4;
constexpr std::int64_t kFollowing = 8;  // frames ahead that still count as reading in order

// Where each distinct frame goes: the places of the request that asked for it.
using Places = std::unordered_map<std::int64_t, std::vector<std::size_t>>;
Places places_of(const std::vector<std::int64_t>& frames) {
  Places places;
  for (std::size_t i = 0; i < frames.size(); ++i) places[frames[i]].push_back(i);
  return places;
}

}  // namespace

std::unique_ptr<Session> Video::State::borrow(const Video& video) {
  {
    const std::lock_guard<std::mutex> lock(mutex);
    if (!idle.empty()) {
      auto session = std::move(idle.back());
      idle.pop_back();
      return session;
    }
  }
  return std::make_unique<Session>(video.source_, *video.index_, video.limits_);
}

void Video::State::give_back(std::unique_ptr<Session> session) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (idle.size() < kMostIdle) idle.push_back(std::move(session));
}

bool Video::State::follows_on(const std::vector<std::int64_t>& frames) {
  const auto [least, most] = std::minmax_element(frames.begin(), frames.end());
  const std::lock_guard<std::mutex> lock(mutex);
  const bool follows = *least > last_frame && *least <= last_frame + kFollowing;
  last_frame = *most;
  return follows;
}

void Video::State::decode(Video& video, const std::vector<std::int64_t>& frames,
                          const DecodeOptions& options, const Take& take, DecodeCounts* counts) {
  if (frames.empty()) return;
  check_threads(options.threads);
  const FrameIndex& index = *video.index_;
  std::vector<Segment> segments = plan_segments(index, frames);
  Session::Options how;
  how.drop_unneeded = options.drop_unneeded;
  how.loop_filter = options.loop_filter;
  how.stay_open = segments.size() == 1 && follows_on(frames);
  const int workers =
      static_cast<int>(std::min(segments.size(), static_cast<std::size_t>(options.threads)));
  if (workers > 1) sort_by_length(segments);
  std::vector<DecodeCounts> done(static_cast<std::size_t>(workers));
  run_workers(workers, segments.size(), options.deadline,
              [&](int worker, Pieces& pieces, Deadline& deadline) {
                auto session = borrow(video);
                while (const auto piece = pieces.next()) {
                  session->run(
                      segments[*piece], how, deadline,
                      [&](std::uint32_t packet, AVFrame* picture, FrameStatus status) {
                        take(worker, index.frame_of_packet[packet], picture, status);
                      },
                      done[static_cast<std::size_t>(worker)]);
                }
                give_back(std::move(session));
              });
  if (counts == nullptr) return;
  *counts = {};
  for (const DecodeCounts& own : done) *counts += own;
}

Result<std::shared_ptr<Video>> Video::open(std::shared_ptr<const Source> source,
                                           const OpenOptions& options, Deadline deadline) {
  auto index = build_index(source, options.index, std::move(deadline));
  if (!index) return index.error();
  return std::make_shared<Video>(std::move(source), index.value(), options.index.limits);
}

Video::Video(std::shared_ptr<const Source> source, std::shared_ptr<const FrameIndex> index,
             const Limits& limits)
    : source_(std::move(source)),
      index_(std::move(index)),
      limits_(limits),
      state_(std::make_unique<State>()) {}

Video::~Video() {
  if (state_->process != ::getpid()) static_cast<void>(state_.release());
}

Video::State& Video::state() {
  if (state_->process != ::getpid()) {
    static_cast<void>(state_.release());
    state_ = std::make_unique<State>();
  }
  return *state_;
}

Result<std::vector<FrameStatus>> Video::rgb(const std::vector<std::int64_t>& frames,
                                            OutputSize size, const DecodeOptions& options,
                                            std::uint8_t* out, DecodeCounts* counts) {
  PictureFormat format;
  format.width = size.width;
  format.height = size.height;
  return pictures(frames, format, options, out, counts);
}

Result<std::vector<FrameStatus>> Video::pictures(const std::vector<std::int64_t>& frames,
                                                 PictureFormat format, const DecodeOptions& options,
                                                 void* out, DecodeCounts* counts) {
  try {
    if (format.width <= 0) format.width = index_->stream.width();
    if (format.height <= 0) format.height = index_->stream.height();
    format.check();
    const std::vector<std::int64_t> shown = format.places(resolve(frames));
    const Places places = places_of(shown);
    std::vector<FrameStatus> status(shown.size(), FrameStatus::kMissing);
    struct Tail {
      Converter convert;
      PictureWriter write;
    };
    std::vector<std::unique_ptr<Tail>> tails(
        static_cast<std::size_t>(std::max(1, options.threads)));
    state().decode(
        *this, shown, options,
        [&](int worker, std::int64_t frame, const AVFrame* picture, FrameStatus found) {
          const auto& wanted = places.at(frame);
          for (const std::size_t place : wanted) status[place] = found;
          if (picture == nullptr) return;
          auto& tail = tails[static_cast<std::size_t>(worker)];
          if (!tail) {
            tail.reset(new Tail{Converter(index_->stream.orientation, index_->stream.color_space),
                                PictureWriter(format, out)});
          }
          tail->write.picture(wanted, *picture, tail->convert);
        },
        counts);
    for (std::size_t place = 0; place < status.size(); ++place) {
      if (status[place] == FrameStatus::kMissing) PictureWriter(format, out).black(place);
    }
    const std::size_t step = frames.empty() || format.spans ? 1 : shown.size() / frames.size();
    for (std::size_t i = 0; i < frames.size(); ++i) status[i] = status[i * step];
    status.resize(frames.size());
    return status;
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return Error(Errc::kLimit, name() + ": not enough memory to decode " +
                                   std::to_string(frames.size()) + " frames");
  }
}

Result<std::vector<Planes>> Video::planes(const std::vector<std::int64_t>& frames,
                                          const DecodeOptions& options) {
  try {
    const Places places = places_of(resolve(frames));
    std::vector<Planes> result(frames.size());
    state().decode(
        *this, resolve(frames), options,
        [&](int, std::int64_t frame, const AVFrame* picture, FrameStatus found) {
          if (picture == nullptr) {
            for (const std::size_t place : places.at(frame)) result[place].status = found;
            return;
          }
          const auto format = static_cast<AVPixelFormat>(picture->format);
          Planes planes;
          planes.pixel_format = av_get_pix_fmt_name(format);
          planes.width = picture->width;
          planes.height = picture->height;
          planes.status = found;
          const int bytes = av_image_get_buffer_size(format, picture->width, picture->height, 1);
          if (bytes < 0) return;
          planes.bytes.resize(static_cast<std::size_t>(bytes));
          av_image_copy_to_buffer(planes.bytes.data(), bytes, picture->data, picture->linesize,
                                  format, picture->width, picture->height, 1);
          for (const std::size_t place : places.at(frame)) result[place] = planes;
        },
        nullptr);
    return result;
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return Error(Errc::kLimit, name() + ": not enough memory to decode " +
                                   std::to_string(frames.size()) + " frames");
  }
}

}  // namespace deepsport
