// Reads bits of a header, most significant first; past the end it yields zeros and says so.
#pragma once

#include <cstddef>
#include <cstdint>

namespace deepsport {

class BitReader {
 public:
  BitReader(const std::uint8_t* data, std::size_t size) noexcept : data_(data), bits_(size * 8) {}

  std::uint32_t bits(int count) noexcept {
    std::uint32_t value = 0;
    while (count-- > 0) {
      const std::uint32_t bit =
          position_ < bits_ ? (data_[position_ >> 3] >> (7 - (position_ & 7))) & 1u : 0u;
      if (position_ >= bits_) exhausted_ = true;
      ++position_;
      value = value << 1 | bit;
    }
    return value;
  }
  bool bit() noexcept {
    return bits(1) != 0;
  }
  void skip(int count) noexcept {
    bits(count);
  }
  /// Exp-Golomb ue(v), H.264 9.1; AV1's uvlc() has the same form.
  std::uint32_t exp_golomb() noexcept {
    int zeros = 0;
    while (zeros < 32 && !exhausted_ && !bit()) ++zeros;
    if (zeros >= 32) return UINT32_MAX;
    return (1u << zeros) - 1 + bits(zeros);
  }
  bool exhausted() const noexcept {
    return exhausted_;
  }

 private:
  const std::uint8_t* data_;
  std::size_t bits_;
  std::size_t position_ = 0;
  bool exhausted_ = false;
};

}  // namespace deepsport
