// Opens a container over a Source and hands out the packets of its best video stream. Nothing but
// the Source is ever opened: no network, no file a playlist names.
#pragma once

#include <memory>

#include "deepsport/video.hpp"
#include "ffmpeg/handles.hpp"

namespace deepsport::ffmpeg {

class Demuxer {
 public:
  /// @throws Error kNotVideo, kUnsupported, kLimit, kTimeout, kCancelled, kIo.
  Demuxer(std::shared_ptr<const Source> source, const Limits& limits, Deadline deadline);
  Demuxer(const Demuxer&) = delete;
  Demuxer& operator=(const Demuxer&) = delete;
  ~Demuxer();

  /// The next packet of the video stream; false at the end. @throws Error kTimeout, kIo, ...
  bool next(AVPacket* packet);
  /// Go to a byte of the file; the next packets are those that start there or a little later.
  bool seek_bytes(std::int64_t offset);
  /// A new deadline for what follows.
  void renew(Deadline deadline);

  const StreamFacts& facts() const noexcept {
    return facts_;
  }
  const AVStream* stream() const noexcept {
    return stream_;
  }
  const AVFormatContext* format() const noexcept {
    return format_.get();
  }

 private:
  struct State;
  void read_facts(const Limits& limits);
  [[noreturn]] void fail(int code, const char* doing) const;

  std::shared_ptr<const Source> source_;
  std::unique_ptr<State> state_;
  IoPtr io_;
  FormatPtr format_;
  AVStream* stream_ = nullptr;
  StreamFacts facts_;
};

/// FFmpeg's words for an error code.
std::string error_text(int code);

}  // namespace deepsport::ffmpeg
