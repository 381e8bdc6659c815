// Sequence parameter sets of H.264 and HEVC, as far as size, fields, pixel shape and colours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace deepsport {

struct SpsFacts {
  int width = 0, height = 0;  ///< cropped; zero when not understood
  bool interlaced = false;    ///< may hold fields
  int aspect_num = 0, aspect_den = 0;
  int color_primaries = 2, color_transfer = 2, color_space = 2;  ///< ITU-T H.273
  int sub_layers = -1;  ///< highest temporal layer (HEVC); negative when not understood
  int color_range = 0;  ///< 0 not said, 1 limited, 2 full, as in FFmpeg
  /// A tick lasts tick_units / time_scale seconds: half a frame (H.264) or one (HEVC); zero when
  /// not said.
  std::uint32_t tick_units = 0, time_scale = 0;
  /// H.264: bits before pic_struct in a picture timing message; negative when none has it.
  int pic_struct_at = -1;
  bool in_fields = false;  ///< HEVC: pictures may be fields, or be shown more than once
};

/// The first `limit` bytes of a NAL unit without emulation prevention (H.264 7.4.1).
std::vector<std::uint8_t> unescaped(const std::uint8_t* data, std::size_t size, std::size_t limit);

/// `data` begins with the NAL unit header. Damage leaves the fields behind it unset.
SpsFacts read_h264_sps(const std::uint8_t* data, std::size_t size);
SpsFacts read_hevc_sps(const std::uint8_t* data, std::size_t size);

}  // namespace deepsport
