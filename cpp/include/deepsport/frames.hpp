// Exact pictures of a video: by index, by second, by window; as RGB or as the decoder's own planes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "deepsport/index.hpp"
#include "deepsport/picture_format.hpp"
#include "deepsport/video.hpp"

namespace deepsport {

/// What is known of one returned picture.
enum class FrameStatus : std::uint8_t {
  kOk = 0,
  kDamaged = 1,  ///< the bitstream was damaged here or in a picture it is predicted from
  kMissing = 2,  ///< nothing could be decoded; its pixels are zero
};

struct OpenOptions {
  IndexOptions index;
  double open_seconds = 120;  ///< for building the index; zero means for ever
};

/// How to decode a request.
struct DecodeOptions {
  int threads = 1;            ///< workers, each with a decoder of its own, over groups of pictures
  bool drop_unneeded = true;  ///< skip pictures that nobody asked for and none is predicted from
  bool loop_filter = true;    ///< false: leave the codec's filter out; faster, and not exact
  Deadline deadline;
};

/// Size of the pictures handed out; zero means the video's own.
struct OutputSize {
  int width = 0, height = 0;
};

/// What a request cost.
struct DecodeCounts {
  std::int64_t packets_decoded = 0, packets_dropped = 0, seeks = 0;

  DecodeCounts& operator+=(const DecodeCounts& more) noexcept {
    packets_decoded += more.packets_decoded;
    packets_dropped += more.packets_dropped;
    seeks += more.seeks;
    return *this;
  }
};

/// The planes of a picture as the decoder made them, rows packed without padding.
struct Planes {
  std::string pixel_format;
  int width = 0, height = 0;
  std::vector<std::uint8_t> bytes;
  FrameStatus status = FrameStatus::kMissing;
};

/// An opened video: an index and a few idle decoders. Safe to share between threads; after fork()
/// the child decodes with decoders of its own.
class Video {
 public:
  /// Codes: those of build_index.
  static Result<std::shared_ptr<Video>> open(std::shared_ptr<const Source> source,
                                             const OpenOptions& options, Deadline deadline);
  Video(std::shared_ptr<const Source> source, std::shared_ptr<const FrameIndex> index,
        const Limits& limits);
  ~Video();

  const FrameIndex& index() const noexcept {
    return *index_;
  }
  const std::string& name() const noexcept {
    return source_->name();
  }
  const std::shared_ptr<const Source>& source() const noexcept {
    return source_;
  }
  const Limits& limits() const noexcept {
    return limits_;
  }

  /// Frame indices with negative ones counted from the end. @throws Error kOutOfRange.
  std::vector<std::int64_t> resolve(const std::vector<std::int64_t>& indices) const;
  /// The frames on screen at these seconds. @throws Error kOutOfRange.
  std::vector<std::int64_t> played_at(const std::vector<double>& seconds) const;
  /// `count` frames on screen at start + k (stop - start) / count. @throws Error kInvalidArgument
  /// for a reversed or empty window, kOutOfRange for one that leaves the video.
  std::vector<std::int64_t> window(double start, double stop, std::int64_t count) const;

  /// RGB pictures, (frames.size(), height, width, 3), into `out`. Frames may repeat, in any order.
  /// Codes: kOutOfRange, kInvalidArgument, kUnsupported, kLimit, kTimeout, kCancelled, kIo.
  Result<std::vector<FrameStatus>> rgb(const std::vector<std::int64_t>& frames, OutputSize size,
                                       const DecodeOptions& options, std::uint8_t* out,
                                       DecodeCounts* counts = nullptr);
  /// Pictures as `format` says, zero sizes meaning the video's own, into `out`, which has
  /// format.total_bytes() of them. Missing pictures are black. Codes: as rgb.
  Result<std::vector<FrameStatus>> pictures(const std::vector<std::int64_t>& frames,
                                            PictureFormat format, const DecodeOptions& options,
                                            void* out, DecodeCounts* counts = nullptr);
  /// The same pictures as decoded, before rotation and colour conversion.
  Result<std::vector<Planes>> planes(const std::vector<std::int64_t>& frames,
                                     const DecodeOptions& options);

 private:
  struct State;
  State& state();

  std::shared_ptr<const Source> source_;
  std::shared_ptr<const FrameIndex> index_;
  Limits limits_;
  std::unique_ptr<State> state_;
};

}  // namespace deepsport
