// Are these bytes exactly one picture of H.264 or HEVC (an access unit), as FFmpeg's parsers would
// cut it out of the stream? Only units of the plainest form are said to be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "index/sps.hpp"

namespace deepsport {

struct AccessUnit {
  std::size_t head = 0;         ///< so many bytes tell what kind of picture it is
  bool has_recovery = false;    ///< H.264: a message says that decoding may start here
  int pic_struct = 0;           ///< H.264 table D-1: how long it is shown
  bool ends_with_zero = false;  ///< which FFmpeg may count to the next unit
  bool long_start = false;      ///< begins with 00 00 00 01
};

/// One per stream: parameter sets are remembered, and must stay what they are.
class AccessUnitReader {
 public:
  explicit AccessUnitReader(bool hevc) : hevc_(hevc) {}

  /// Nothing when it is not certain that `data` is one access unit and no more, that the unit
  /// before ends where it begins, or that the parameter sets are those of the whole stream.
  std::optional<AccessUnit> read(const std::uint8_t* data, std::size_t size);

  /// Parameter sets with start codes, in the order in which the stream has them; empty before the
  /// first.
  const std::vector<std::uint8_t>& headers() const noexcept {
    return headers_;
  }
  const SpsFacts& sps() const noexcept {
    return sps_;
  }

 private:
  struct Progress {
    AccessUnit unit;
    std::size_t units = 0;  // NAL units so far
    bool has_slice = false;
    std::uint32_t last_block = 0;   // H.264: first macroblock of the last slice
    int slice_type = 0, layer = 0;  // HEVC: of the first slice
    bool new_sets = false;          // these are the first parameter sets
  };
  bool h264_unit(const std::uint8_t* data, std::size_t size, Progress& progress);
  bool hevc_unit(const std::uint8_t* data, std::size_t size, Progress& progress);
  bool parameter_set(const std::uint8_t* data, std::size_t size, bool is_sequence,
                     Progress& progress);
  bool messages(const std::uint8_t* data, std::size_t size, Progress& progress);

  bool hevc_;
  std::vector<std::vector<std::uint8_t>> sets_;
  bool has_sps_ = false;
  SpsFacts sps_;
  std::vector<std::uint8_t> headers_;
};

}  // namespace deepsport
