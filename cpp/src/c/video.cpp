// Videos, their index and their frames over the C face.
#include <algorithm>
#include <atomic>
#include <climits>
#include <cstring>
#include <memory>

#include "c/failure.hpp"
#include "c/sized.hpp"
#include "deepsport/frames.hpp"

using deepsport::Deadline;
using deepsport::Errc;
using deepsport::Error;
using deepsport::c::guarded;
using deepsport::c::need;
using deepsport::c::need_bytes;
using deepsport::c::refuse;
using deepsport::c::taken;

struct ds_video {
  std::shared_ptr<deepsport::Video> video;
};

struct ds_cancel {
  std::atomic<bool> requested{false};
};

namespace {

constexpr double kDeadlineSeconds = 120;

Deadline deadline_of(double seconds) {
  return seconds < 0 ? Deadline() : Deadline::after(seconds > 0 ? seconds : kDeadlineSeconds);
}

/// Opens into *out, which is NULL on failure.
int open_source(const ds_open_options* given, ds_video** out, const char* function,
                const std::function<std::shared_ptr<const deepsport::Source>()>& source) {
  if (out != nullptr) *out = nullptr;
  return guarded([&] {
    need(out, function, "video");
    ds_open_options options = DS_OPEN_OPTIONS_INIT;
    if (given != nullptr) {
      options = taken(given, options, deepsport::c::kFirstOpenOptions, "ds_open_options");
    }
    deepsport::OpenOptions open;
    if (options.max_pixels < 0 || options.max_packets < 0) {
      refuse(std::string(function) +
             ": a limit is negative; valid are 1 or more, 0 for the default");
    }
    if (options.max_pixels > 0) open.index.limits.max_pixels = options.max_pixels;
    if (options.max_packets > 0) open.index.limits.max_packets = options.max_packets;
    auto video = std::make_unique<ds_video>();
    video->video =
        deepsport::Video::open(source(), open, deadline_of(options.deadline_seconds)).value();
    *out = video.release();
  });
}

std::string frames_text(std::int64_t first, std::size_t count) {
  return "frames " + std::to_string(first) + " and " + std::to_string(count) + " from there";
}

}  // namespace

extern "C" {

int ds_open_file(const char* path, const ds_open_options* options, ds_video** video) {
  return open_source(options, video, "ds_open_file", [&] {
    need(path, "ds_open_file", "path");
    return deepsport::open_file(path).value();
  });
}

int ds_open_memory(const void* data, size_t bytes, const ds_open_options* options,
                   ds_video** video) {
  return open_source(options, video, "ds_open_memory", [&] {
    need(data, "ds_open_memory", "data");
    return deepsport::open_memory(nullptr, data, bytes, "<memory>");
  });
}

int ds_open_reader(ds_read_at read, void* user, uint64_t bytes, const ds_open_options* options,
                   ds_video** video) {
  return open_source(options, video, "ds_open_reader", [&] {
    if (read == nullptr) refuse("ds_open_reader: read is NULL; valid is a function");
    const auto call = [read, user](std::uint64_t offset, void* into, std::size_t count) {
      const std::int64_t got = read(user, offset, into, count);
      if (got < 0 || static_cast<std::uint64_t>(got) > count) {
        throw Error(Errc::kIo, "reading " + std::to_string(count) + " bytes at " +
                                   std::to_string(offset) + ": the caller's function returned " +
                                   std::to_string(got));
      }
      return static_cast<std::size_t>(got);
    };
    return deepsport::open_reader(call, bytes, "<reader>");
  });
}

void ds_close(ds_video* video) {
  delete video;
}

int ds_video_facts(const ds_video* video, ds_facts* facts) {
  return guarded([&] {
    need(video, "ds_video_facts", "video");
    need(facts, "ds_video_facts", "facts");
    need_bytes(facts->struct_bytes, deepsport::c::kFirstFacts, "ds_facts");
    const deepsport::FrameIndex& index = video->video->index();
    ds_facts found = DS_FACTS_INIT;
    found.frame_count = index.frame_count();
    found.width = index.stream.width();
    found.height = index.stream.height();
    found.first_seconds = index.pts.empty() ? 0 : index.seconds(index.pts.front());
    found.end_seconds = index.seconds(index.end_pts);
    const double duration = found.end_seconds - found.first_seconds;
    found.average_fps = duration > 0 ? static_cast<double>(found.frame_count) / duration : 0;
    found.keyframe_count = static_cast<std::int64_t>(index.key_packets.size());
    found.rotation_degrees = index.stream.orientation.rotation_degrees;
    found.truncated = index.truncated ? 1 : 0;
    std::strncpy(found.codec, index.stream.codec.c_str(), sizeof found.codec - 1);
    deepsport::c::give(found, facts);
  });
}

int ds_square_size(const ds_video* video, int32_t* width, int32_t* height) {
  return guarded([&] {
    need(video, "ds_square_size", "video");
    need(width, "ds_square_size", "width");
    need(height, "ds_square_size", "height");
    const auto& stream = video->video->index().stream;
    *width = stream.square_width();
    *height = stream.square_height();
  });
}

int ds_frame_seconds(const ds_video* video, int64_t first, size_t count, double* seconds) {
  return guarded([&] {
    need(video, "ds_frame_seconds", "video");
    if (count > 0) need(seconds, "ds_frame_seconds", "seconds");
    const deepsport::FrameIndex& index = video->video->index();
    const std::int64_t frames = index.frame_count();
    if (first < 0 || first > frames || count > static_cast<std::uint64_t>(frames - first)) {
      throw Error(Errc::kOutOfRange, frames_text(first, count) + " of " + video->video->name() +
                                         ": there are " + std::to_string(frames) +
                                         ", valid are 0.." + std::to_string(frames - 1));
    }
    for (std::size_t i = 0; i < count; ++i) {
      seconds[i] = index.seconds(index.pts[static_cast<std::size_t>(first) + i]);
    }
  });
}

int ds_frame_at(const ds_video* video, double second, int64_t* frame) {
  return guarded([&] {
    need(video, "ds_frame_at", "video");
    need(frame, "ds_frame_at", "frame");
    *frame = video->video->played_at({second}).front();
  });
}

int ds_frames_in_window(const ds_video* video, double start_seconds, double stop_seconds,
                        size_t count, int64_t* frames) {
  return guarded([&] {
    need(video, "ds_frames_in_window", "video");
    need(frames, "ds_frames_in_window", "frames");
    if (count > static_cast<std::size_t>(INT32_MAX)) {
      refuse("ds_frames_in_window: count is " + std::to_string(count) +
             ", valid are 1..2147483647");
    }
    const auto found =
        video->video->window(start_seconds, stop_seconds, static_cast<std::int64_t>(count));
    std::copy(found.begin(), found.end(), frames);
  });
}

ds_cancel* ds_cancel_new(void) {
  return new (std::nothrow) ds_cancel;
}
void ds_cancel_request(ds_cancel* cancel) {
  if (cancel != nullptr) cancel->requested = true;
}
void ds_cancel_free(ds_cancel* cancel) {
  delete cancel;
}

int ds_decode_rgb(ds_video* video, const int64_t* frames, size_t count,
                  const ds_decode_options* given, uint8_t* rgb, size_t rgb_bytes, uint8_t* status) {
  return guarded([&] {
    need(video, "ds_decode_rgb", "video");
    if (count == 0) return;
    need(frames, "ds_decode_rgb", "frames");
    need(rgb, "ds_decode_rgb", "rgb");
    ds_decode_options options = DS_DECODE_OPTIONS_INIT;
    if (given != nullptr) {
      options = taken(given, options, deepsport::c::kFirstDecodeOptions, "ds_decode_options");
    }
    const auto& stream = video->video->index().stream;
    deepsport::OutputSize size{options.width, options.height};
    if (size.width == 0 && size.height == 0) size = {stream.width(), stream.height()};
    constexpr int kLargest = 1 << 14;
    if (size.width < 1 || size.height < 1 || size.width > kLargest || size.height > kLargest) {
      refuse("ds_decode_rgb: size " + std::to_string(size.width) + "x" +
             std::to_string(size.height) + ", valid are 1..16384, or 0x0 for the video's own");
    }
    const std::size_t each = std::size_t{3} * static_cast<std::size_t>(size.width) *
                             static_cast<std::size_t>(size.height);
    if (count > rgb_bytes / each) {
      refuse("ds_decode_rgb: " + std::to_string(count) + " frames of " +
             std::to_string(size.width) + "x" + std::to_string(size.height) + " need " +
             std::to_string(each) + " bytes each, rgb_bytes is " + std::to_string(rgb_bytes));
    }
    deepsport::DecodeOptions how;
    if (options.threads < 0) {
      refuse("ds_decode_rgb: threads is " + std::to_string(options.threads) +
             ", valid are 0 or more");
    }
    how.threads = std::max(1, static_cast<int>(options.threads));
    how.deadline = deadline_of(options.deadline_seconds);
    if (options.cancel != nullptr) how.deadline.cancel_flag = &options.cancel->requested;
    const auto resolved = video->video->resolve({frames, frames + count});
    const auto found = video->video->rgb(resolved, size, how, rgb).value();
    for (std::size_t i = 0; i < count; ++i) {
      if (status != nullptr) {
        status[i] = static_cast<std::uint8_t>(found[i]);
      } else if (found[i] == deepsport::FrameStatus::kMissing) {
        throw Error(Errc::kCorrupt, "frame " + std::to_string(resolved[i]) + " of " +
                                        video->video->name() +
                                        ": nothing could be decoded for it; valid is an undamaged "
                                        "file, or status to get the others");
      }
    }
  });
}

}  // extern "C"
