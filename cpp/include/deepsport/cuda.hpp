// Pictures of a video straight into device memory, and the few reward steps that are worth doing
// there. Which devices there are: device.hpp. Pictures in host memory: frames.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "deepsport/frames.hpp"
#include "deepsport/picture_format.hpp"

namespace deepsport {

/// Device memory of the caller and the stream its readers and writers are ordered on.
struct CudaTarget {
  int ordinal = 0;
  std::uint64_t address = 0;
  std::size_t bytes = 0;
  std::uint64_t stream = 0;  ///< a CUstream; 0 is the legacy default stream
};

/// Device memory of deepsport's own: filled on a stream of its own, read on the consumers', given
/// back when all of them are done. Safe to share; may be dropped by any thread.
class CudaMemory {
 public:
  /// Codes: kNoDevice, kForked, kDevice.
  static Result<std::shared_ptr<CudaMemory>> allocate(int ordinal, std::size_t bytes);
  CudaMemory(const CudaMemory&) = delete;
  CudaMemory& operator=(const CudaMemory&) = delete;
  ~CudaMemory();

  /// The memory and the stream to fill it on.
  CudaTarget target() const noexcept;
  /// Say that all work that fills it is queued.
  Result<bool> filled();
  /// Make a consumer's stream wait until it is filled, and the release wait for that stream.
  Result<bool> read_on(std::uint64_t stream);
  /// Copy it to the host, and wait for that.
  Result<bool> copy_to(void* host) const;

 private:
  struct State;
  explicit CudaMemory(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Host memory that a device copies from without a detour, for pictures the CPU decodes on their
/// way up; plain memory where the driver has none to give. Safe to share; may be dropped by any
/// thread, which waits for copies that are queued.
class PinnedMemory {
 public:
  /// Codes: kNoDevice, kForked, kDevice, kLimit.
  static Result<std::shared_ptr<PinnedMemory>> allocate(int ordinal, std::size_t bytes);
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;
  ~PinnedMemory();

  std::uint8_t* data() const noexcept {
    return static_cast<std::uint8_t*>(data_);
  }
  std::size_t bytes() const noexcept {
    return bytes_;
  }
  bool is_pinned() const noexcept {
    return is_pinned_;
  }

 private:
  PinnedMemory(int ordinal, std::size_t bytes) : ordinal_(ordinal), bytes_(bytes) {}
  int ordinal_;
  std::size_t bytes_;
  void* data_ = nullptr;
  bool is_pinned_ = false;
};

/// What a request to the device did.
struct CudaReport : DecodeCounts {
  std::int64_t pictures_mapped = 0;  ///< only those that were asked for
  std::int64_t decoders_made = 0, decoders_reused = 0;
  std::string why_on_cpu;  ///< empty: NVDEC decoded. Else the sentence why the CPU did, for it
  /// Set by the caller: note in `callbacks` what the parser said, to compare drivers.
  bool keep_callbacks = false;
  std::vector<std::string> callbacks;
};

/// Decode frames into device memory. All work on the memory is queued on the target's stream: a
/// later reader on that stream needs no synchronisation. Frames may repeat, in any order. What
/// NVDEC does not decode is decoded by the CPU and uploaded; the pixels are the same. Codes: those
/// of Video::rgb, kNoDevice, kForked, kDevice.
Result<std::vector<FrameStatus>> decode_to_cuda(
    Video& video, const std::vector<std::int64_t>& frames, const PictureFormat& format,
    const CudaTarget& target, const DecodeOptions& options, CudaReport* report = nullptr);

/// Destroy the decoders kept for later requests, on every device.
void release_cuda_decoders() noexcept;

/// Group advantages of rewards on a device: the numbers of reward::advantages, in float.
struct CudaAdvantages {
  int ordinal = 0;
  std::uint64_t stream = 0;
  std::uint64_t rewards = 0;  ///< float (groups * group_size), members of a group are neighbours
  std::uint64_t masked = 0;   ///< one byte a member, nonzero is left out; 0: none is
  std::uint64_t out = 0;      ///< float (groups * group_size)
  std::int64_t groups = 0, group_size = 0;
  int scheme = 0;  ///< as reward::Scheme
  double epsilon = 1e-4;
};
/// Queue the computation on the stream and return. Codes: kInvalidArgument, kNoDevice, kDevice.
Result<bool> queue_advantages(const CudaAdvantages& what);

/// An advantage a row to a value a token: 0 where the mask is 0.
struct CudaSpread {
  int ordinal = 0;
  std::uint64_t stream = 0;
  std::uint64_t advantages = 0;  ///< float (rows)
  std::uint64_t mask = 0;        ///< (rows, tokens), elements of mask_bytes
  std::uint64_t out = 0;         ///< float (rows, tokens)
  std::int64_t rows = 0, tokens = 0;
  int mask_bytes = 1;  ///< 1, 4 or 8: bool or uint8, int32, int64
};
Result<bool> queue_spread(const CudaSpread& what);

}  // namespace deepsport
