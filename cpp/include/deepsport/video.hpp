// Where the bytes of a video come from, what bounds an untrusted file, and what is known of the
// stream without decoding it. Tables of frames are in index.hpp, pictures in frames.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "deepsport/error.hpp"
#include "deepsport/time.hpp"

namespace deepsport {

/// Random-access bytes. Implementations keep no position, so that threads and forked children can
/// share one. Safe to share.
class Source {
 public:
  virtual ~Source() = default;
  virtual std::uint64_t size() const noexcept = 0;
  /// Read up to `count` bytes at `offset`; fewer only at the end. @throws Error kIo.
  virtual std::size_t read_at(std::uint64_t offset, void* into, std::size_t count) const = 0;
  /// When the content was last changed, in nanoseconds; zero when there is no such time.
  virtual std::int64_t modified_ns() const noexcept {
    return 0;
  }
  /// For messages: a path, or what the caller called the bytes.
  const std::string& name() const noexcept {
    return name_;
  }

 protected:
  explicit Source(std::string name) : name_(std::move(name)) {}

 private:
  std::string name_;
};

/// Open a file. Codes: kNotFound, kIo, kNotVideo for directories, devices and empty files.
Result<std::shared_ptr<Source>> open_file(const std::string& path);
/// A file that is open already, for a process that may open none; the descriptor becomes the
/// source's.
Result<std::shared_ptr<Source>> open_descriptor(int descriptor, const std::string& name);
/// Bytes in memory, kept alive by `owner`.
std::shared_ptr<Source> open_memory(std::shared_ptr<const void> owner, const void* data,
                                    std::size_t size, std::string name);
/// Bytes from a caller's function, called from one thread at a time.
using ReadAt = std::function<std::size_t(std::uint64_t offset, void* into, std::size_t count)>;
/// May a child of fork() go on reading? A function that moves a position which the system keeps, as
/// a file's, would get other bytes than it asks for while the parent reads as well.
enum class AfterFork { kWorks, kRefused };
/// With kRefused, reading in a child of fork() throws Error kForked.
std::shared_ptr<Source> open_reader(ReadAt read, std::uint64_t size, std::string name,
                                    AfterFork after_fork = AfterFork::kWorks);

/// SHA-256 over the size, the first and the last 16 KiB, in hex: names a file's content well enough
/// to find what was derived from it, without reading all of it.
Result<std::string> content_signature(const Source& source);

/// What an untrusted file may cost.
struct Limits {
  std::int64_t max_pixels = std::int64_t{1} << 26;   ///< a picture of the stream: 8192 x 8192
  std::int64_t max_packets = std::int64_t{1} << 24;  ///< of the video stream: 77 hours at 60 fps
  std::int64_t max_packet_bytes = std::int64_t{1} << 28;
};

/// How the stored picture is turned for display.
struct Orientation {
  bool transpose = false;        ///< swap rows and columns first,
  bool flip_horizontal = false;  ///< then mirror left-right
  bool flip_vertical = false;    ///< and top-bottom
  int rotation_degrees = 0;      ///< clockwise turn a player applies: 0, 90, 180 or 270
};

/// What a decoder and a reader must know of the stream; a copy of what FFmpeg calls codec
/// parameters, so that it can be kept in a file. Enumerations hold FFmpeg's numbers.
struct StreamFacts {
  std::string container;  ///< e.g. "mov,mp4,m4a,3gp,3g2,mj2"
  std::string codec;      ///< e.g. "h264"
  int codec_id = 0;
  std::uint32_t codec_tag = 0;
  std::vector<std::uint8_t> extradata;
  int coded_width = 0, coded_height = 0;  ///< as decoded, before rotation
  int pixel_format = -1;
  int profile = -99, level = -99;
  int bits_per_coded_sample = 0;
  int color_range = 0, color_primaries = 2, color_transfer = 2, color_space = 2;
  int chroma_location = 0;
  int field_order = 0;
  int video_delay = 0;  ///< reorder depth as the container or a first look guessed it
  int sample_aspect_num = 0, sample_aspect_den = 1;
  int time_base_num = 1, time_base_den = 1;
  Orientation orientation;

  int width() const noexcept {
    return orientation.transpose ? coded_height : coded_width;
  }
  int height() const noexcept {
    return orientation.transpose ? coded_width : coded_height;
  }
  /// The size at which pixels are square: as displayed, with one side stretched by the shape of a
  /// pixel, so that nothing is lost. To apply the shape, ask for pictures of this size.
  int square_width() const noexcept;
  int square_height() const noexcept;
};

/// What StreamFacts' numbers say of colours, in FFmpeg's names ("smpte2084", "bt709", ...);
/// "unknown" where neither container nor headers say. Ranges are "limited" or "full".
struct ColorNames {
  std::string range, primaries, transfer, matrix;
};
ColorNames color_names(const StreamFacts& facts);
/// Are the pictures of high dynamic range, PQ or HLG? They are handed out as stored, not
/// tone-mapped.
bool is_hdr(const StreamFacts& facts) noexcept;

/// Stop FFmpeg from writing to stderr in this process; errors carry what matters.
void quiet_ffmpeg() noexcept;

}  // namespace deepsport
