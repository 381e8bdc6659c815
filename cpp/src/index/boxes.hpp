// Boxes of an ISO base media file (ISO 14496-12) in memory, every length checked before use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace deepsport {

constexpr std::uint32_t four(const char (&name)[5]) {
  return static_cast<std::uint32_t>(static_cast<unsigned char>(name[0])) << 24 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(name[1])) << 16 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(name[2])) << 8 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(name[3]));
}

/// Bytes of a box; reading outside of it yields zero and makes ok() false.
class Bytes {
 public:
  Bytes() = default;
  Bytes(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  std::size_t size() const noexcept {
    return size_;
  }
  const std::uint8_t* data() const noexcept {
    return data_;
  }
  bool ok() const noexcept {
    return ok_;
  }
  bool has(std::size_t offset, std::size_t count) const noexcept {
    return offset <= size_ && count <= size_ - offset;
  }
  std::uint64_t number(std::size_t offset, std::size_t bytes) const noexcept {
    if (!has(offset, bytes)) {
      ok_ = false;
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | data_[offset + i];
    return value;
  }
  std::uint8_t u8(std::size_t offset) const noexcept {
    return static_cast<std::uint8_t>(number(offset, 1));
  }
  std::uint16_t u16(std::size_t offset) const noexcept {
    return static_cast<std::uint16_t>(number(offset, 2));
  }
  std::uint32_t u32(std::size_t offset) const noexcept {
    return static_cast<std::uint32_t>(number(offset, 4));
  }
  std::int32_t i32(std::size_t offset) const noexcept {
    return static_cast<std::int32_t>(u32(offset));
  }
  std::uint64_t u64(std::size_t offset) const noexcept {
    return number(offset, 8);
  }
  Bytes after(std::size_t offset) const noexcept {
    return offset <= size_ ? Bytes(data_ + offset, size_ - offset) : Bytes();
  }

 private:
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  mutable bool ok_ = true;
};

struct Box {
  std::uint32_t type = 0;
  Bytes content;
};

/// The boxes that fill `parent`; nothing when they do not fit.
inline std::optional<std::vector<Box>> boxes_in(const Bytes& parent) {
  std::vector<Box> found;
  std::size_t at = 0;
  while (parent.size() - at >= 8) {
    std::uint64_t size = parent.u32(at);
    std::size_t header = 8;
    if (size == 1 && parent.has(at, 16)) {
      size = parent.u64(at + 8);
      header = 16;
    } else if (size == 0) {
      size = parent.size() - at;
    }
    if (size < header || size > parent.size() - at) return std::nullopt;
    const auto length = static_cast<std::size_t>(size);
    found.push_back({parent.u32(at + 4), Bytes(parent.data() + at + header, length - header)});
    at += length;
  }
  return found;
}

/// The only box of a type; null when there is none, or more than one.
template <typename Kind>
const Kind* only_box(const std::vector<Kind>& boxes, std::uint32_t type) {
  const Kind* found = nullptr;
  for (const Kind& box : boxes) {
    if (box.type != type) continue;
    if (found != nullptr) return nullptr;
    found = &box;
  }
  return found;
}

/// Its content, of boxes in memory.
inline std::optional<Bytes> only(const std::vector<Box>& boxes, std::uint32_t type) {
  const Box* box = only_box(boxes, type);
  return box != nullptr ? std::optional<Bytes>(box->content) : std::nullopt;
}

template <typename Kind>
bool any(const std::vector<Kind>& boxes, std::uint32_t type) {
  for (const Kind& box : boxes) {
    if (box.type == type) return true;
  }
  return false;
}

}  // namespace deepsport
