// Enumerations whose value a file decides: any number may stand where FFmpeg's types say a few can.
#pragma once

#include <cstring>

extern "C" {
#include <libavutil/pixfmt.h>
}

namespace deepsport::ffmpeg {

/// Read an enumeration as the number it is; to load it by its type would be undefined behaviour.
template <typename Enum>
int number_of(const Enum& stored) noexcept {
  static_assert(sizeof(Enum) == sizeof(int));
  int number = 0;
  std::memcpy(&number, &stored, sizeof number);
  return number;
}

/// The enumerator with this number, or `unknown` when it is not one of 0..count-1.
template <typename Enum>
Enum enumerator(int number, Enum count, Enum unknown) noexcept {
  return number >= 0 && number < static_cast<int>(count) ? static_cast<Enum>(number) : unknown;
}

}  // namespace deepsport::ffmpeg
