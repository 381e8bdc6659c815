// Decoded frames in memory that the processes of one user share: decoded once, copied out by all.
// Not a store: what it holds may go at any time, and whoever misses decodes. Linux only.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "deepsport/error.hpp"
#include "deepsport/frames.hpp"
#include "deepsport/time.hpp"

namespace deepsport {

/// Names one picture. `video` is a hash of everything that decides its bytes apart from the rest.
struct FrameKey {
  std::array<std::uint8_t, 16> video{};
  std::int64_t frame = 0;
  std::int32_t width = 0, height = 0;

  /// RGB, 8 bits each.
  std::size_t bytes() const noexcept {
    return static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3;
  }
  bool operator==(const FrameKey& other) const noexcept {
    return video == other.video && frame == other.frame && width == other.width &&
           height == other.height;
  }
};

/// What became of a key that was asked for.
enum class Taken : std::uint8_t {
  kHit = 0,     ///< its pixels were copied out
  kYours = 1,   ///< nobody has it: decode it, then publish() or abandon()
  kBusy = 2,    ///< another process or thread decodes it: wait() when nothing of yours is open
  kAbsent = 3,  ///< decode it, and keep it to yourself
};

/// Counted over all processes since the segment was made.
struct CacheFacts {
  std::uint64_t capacity_bytes = 0;  ///< of the whole segment, tables included
  std::uint64_t used_bytes = 0;      ///< blocks that hold frames
  std::uint64_t frames = 0;
  std::uint64_t processes = 0;  ///< attached now and alive
  std::uint64_t hits = 0, misses = 0, waits = 0;
  std::uint64_t evictions = 0;
  std::uint64_t recoveries = 0;  ///< times a process died inside, and its traces were removed
  std::uint64_t rejected = 0;    ///< frames thrown away because their checksum was wrong
  std::uint64_t bypassed = 0;    ///< calls that went without the cache: its lock was not to be had
};

/// A segment of shared memory: a file in a memory file system, of a fixed size. Any process may be
/// killed at any instruction. Readers leave no trace in it: they copy, then check that nothing has
/// changed meanwhile and that the checksum is right. Writers own what they fill through a lock of
/// the kernel, which ends with them. The file goes with its last user; one left by a kill is
/// replaced by the next. Safe to share between threads; a forked child becomes a user of its own.
class FrameCache {
 public:
  /// Attach to the segment at `path`, or make one of `bytes`. One object per path and process.
  /// Codes: kInvalidArgument (too small, or another kind of file), kLimit (the file system has no
  /// room), kIo.
  static Result<std::shared_ptr<FrameCache>> attach(const std::string& path, std::uint64_t bytes);
  ~FrameCache();

  /// Copy the frames that are there to `out`, one after another in the order of `keys`, and their
  /// statuses to `status`. With `claim`, missing ones become this process's to decode.
  std::vector<Taken> take(const std::vector<FrameKey>& keys, std::uint8_t* out, FrameStatus* status,
                          bool claim);
  /// Hand over a frame claimed by take(). False when it was not kept: no room, or no longer yours.
  bool publish(const FrameKey& key, const std::uint8_t* pixels, FrameStatus status);
  /// Give back claims that will not be published.
  void abandon(const std::vector<FrameKey>& keys);
  /// Until one of the keys is busy no longer; false when the deadline passed first.
  /// @throws Error kCancelled.
  bool wait(const std::vector<FrameKey>& keys, double seconds, Deadline deadline);

  CacheFacts facts();
  /// Empty when the tables agree with each other, else the first thing that does not. For tests.
  std::string audit();
  const std::string& path() const noexcept;

  FrameCache(const FrameCache&) = delete;
  FrameCache& operator=(const FrameCache&) = delete;

 private:
  struct State;
  explicit FrameCache(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Segments in a folder.
struct SegmentFile {
  std::string path;
  std::uint64_t bytes = 0;
  bool in_use = false;
};
/// The segments of this user in a folder; those that nobody uses are removed when `remove` is set.
/// Codes: kIo.
Result<std::vector<SegmentFile>> cache_segments(const std::string& folder, bool remove);

/// Files of segments begin so; a folder may hold other things.
inline constexpr const char* kSegmentPrefix = "deepsport-frames-";

}  // namespace deepsport
