// Pictures of a video straight into device memory, and the few reward steps that are worth doing
// there. Which devices there are: device.hpp. Pictures in host memory: frames.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "deepsport/frames.hpp"

namespace deepsport {

enum class ElementType { kUint8, kFloat32, kBfloat16, kFloat16 };

enum class PixelOrder {
  kInterleaved,  ///< (n, height, width, 3)
  kPlanar,       ///< (n, 3, height, width)
  kPatches,      ///< (ceil(n / temporal) * rows * columns, 3 * temporal * patch * patch): Qwen2-VL
};

/// What a request's pictures look like in memory.
struct PictureFormat {
  int width = 0, height = 0;  ///< zero means the video's own
  PixelOrder order = PixelOrder::kInterleaved;
  ElementType element = ElementType::kUint8;
  /// Elements other than kUint8 are value * scale + bias per channel, value being 0..255.
  float scale[3] = {1.0F, 1.0F, 1.0F};
  float bias[3] = {0.0F, 0.0F, 0.0F};
  /// Of kPatches: width and height must be multiples of patch * merge. A last group of fewer than
  /// `temporal` frames is filled with its last frame.
  int patch = 14, merge = 2, temporal = 2;

  /// Of one element.
  std::size_t element_bytes() const noexcept;
  /// Of `frames` pictures of the given size; throws nothing, checks nothing.
  std::size_t total_bytes(std::size_t frames, int at_width, int at_height) const noexcept;
};

/// Device memory of the caller and the stream its readers and writers are ordered on.
struct CudaTarget {
  int ordinal = 0;
  std::uint64_t address = 0;
  std::size_t bytes = 0;
  std::uint64_t stream = 0;  ///< a CUstream; 0 is the legacy default stream
};

/// What a request to the device did.
struct CudaReport {
  std::int64_t packets_decoded = 0, packets_dropped = 0, seeks = 0;
  std::int64_t pictures_mapped = 0;  ///< only those that were asked for
  std::int64_t decoders_made = 0, decoders_reused = 0;
  std::string why_on_cpu;  ///< empty: NVDEC decoded. Else the sentence why the CPU did, for it
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
