// Boxes where they lie in the file: headers are read, content only when it is asked for. A movie
// header of ten minutes is two thirds of a megabyte, most of it tables of the sound.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "index/boxes.hpp"
#include "index/read_ahead.hpp"

namespace deepsport {

struct BoxPlace {
  std::uint32_t type = 0;
  std::uint64_t begin = 0, size = 0;  ///< of the content
};

/// The boxes that fill a range of the file; nothing when they do not fit, or are too many.
inline std::optional<std::vector<BoxPlace>> boxes_at(ReadAhead& ahead, std::uint64_t at,
                                                     std::uint64_t end) {
  constexpr std::size_t kMost = std::size_t{1} << 16;
  std::vector<BoxPlace> found;
  while (end - at >= 8) {
    std::size_t held = 0;
    const std::uint8_t* head = ahead.up_to(at, end - at < 16 ? 8 : 16, held);
    if (head == nullptr || found.size() == kMost) return std::nullopt;
    const Bytes bytes(head, held);
    std::uint64_t size = bytes.u32(0), header = 8;
    if (size == 1 && held == 16) {
      size = bytes.u64(8);
      header = 16;
    } else if (size == 0) {
      size = end - at;
    }
    if (size < header || size > end - at) return std::nullopt;
    found.push_back({bytes.u32(4), at + header, size - header});
    at += size;
  }
  return found;
}
inline std::optional<std::vector<BoxPlace>> boxes_at(ReadAhead& ahead, const BoxPlace& parent) {
  return boxes_at(ahead, parent.begin, parent.begin + parent.size);
}

/// The content of a box, or its first `most` bytes, until `ahead` is used again. Empty where there
/// are none, which reads as zeros and makes ok() false.
inline Bytes content_of(ReadAhead& ahead, const BoxPlace& box,
                        std::uint64_t most = std::uint64_t{1} << 24) {
  const auto count = static_cast<std::size_t>(box.size < most ? box.size : most);
  const std::uint8_t* data = ahead.at(box.begin, count);
  return data == nullptr ? Bytes() : Bytes(data, count);
}

}  // namespace deepsport
