// Elements of EBML, the language of Matroska (RFC 8794), every length checked before use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "index/boxes.hpp"
#include "index/read_ahead.hpp"

namespace deepsport::ebml {

constexpr std::uint64_t kUnknownSize = UINT64_MAX;

/// A number of 1 to 8 bytes whose first one bit tells its length. With `keep_mark` that bit stays,
/// as in element IDs. All ones, the unknown size, is kUnknownSize.
inline bool read_number(const std::uint8_t* data, std::size_t size, bool keep_mark,
                        std::uint64_t& value, std::size_t& length) {
  if (size == 0 || data[0] == 0) return false;
  length = 1;
  while ((data[0] & (0x80 >> (length - 1))) == 0) ++length;
  if (length > size) return false;
  value = keep_mark ? data[0] : data[0] & (0xff >> length);
  bool ones = (data[0] | (0xff << (8 - length) & 0xff)) == 0xff;
  for (std::size_t i = 1; i < length; ++i) {
    value = value << 8 | data[i];
    ones = ones && data[i] == 0xff;
  }
  if (ones && !keep_mark) value = kUnknownSize;
  return true;
}

struct Element {
  std::uint32_t id = 0;
  std::uint64_t begin = 0;  ///< of its content
  std::uint64_t size = 0;   ///< of its content, or kUnknownSize
};

/// The element at `at`, which must end by `end` unless its size is unknown.
inline std::optional<Element> element_at(ReadAhead& ahead, std::uint64_t at, std::uint64_t end) {
  std::size_t held = 0;
  const std::uint8_t* head = ahead.up_to(at, 12, held);
  std::uint64_t id = 0, size = 0;
  std::size_t id_length = 0, size_length = 0;
  if (head == nullptr || !read_number(head, held, true, id, id_length) || id_length > 4 ||
      !read_number(head + id_length, held - id_length, false, size, size_length)) {
    return std::nullopt;
  }
  const Element found{static_cast<std::uint32_t>(id), at + id_length + size_length, size};
  if (found.begin > end || (size != kUnknownSize && size > end - found.begin)) return std::nullopt;
  return found;
}

/// An element in memory.
struct Item {
  std::uint32_t id = 0;
  Bytes content;

  /// An unsigned integer; more than 8 bytes make content.ok() false.
  std::uint64_t number() const noexcept {
    return content.size() <= 8 ? content.number(0, content.size()) : content.number(0, SIZE_MAX);
  }
  bool is_text(const char* text) const noexcept {
    const std::size_t length = std::strlen(text);
    return content.size() >= length && std::memcmp(content.data(), text, length) == 0 &&
           (content.size() == length || content.u8(length) == 0);
  }
};

/// The elements that fill `parent`; nothing when they do not fit.
inline std::optional<std::vector<Item>> items_in(const Bytes& parent) {
  std::vector<Item> found;
  std::size_t at = 0;
  while (at < parent.size()) {
    std::uint64_t id = 0, size = 0;
    std::size_t id_length = 0, size_length = 0;
    const std::uint8_t* data = parent.data() + at;
    const std::size_t left = parent.size() - at;
    if (!read_number(data, left, true, id, id_length) || id_length > 4 ||
        !read_number(data + id_length, left - id_length, false, size, size_length) ||
        size > left - id_length - size_length) {
      return std::nullopt;
    }
    const std::size_t header = id_length + size_length;
    const auto length = static_cast<std::size_t>(size);
    found.push_back({static_cast<std::uint32_t>(id), Bytes(data + header, length)});
    at += header + length;
  }
  return found;
}

}  // namespace deepsport::ebml
