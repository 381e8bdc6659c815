// A fast checksum against accident, not against attack: MurmurHash64A, Austin Appleby, public
// domain.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace deepsport {

/// A number of up to 8 bytes, the lowest first.
inline std::uint64_t little_endian(const std::uint8_t* from, std::size_t count) {
  std::uint64_t number = 0;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  std::memcpy(&number, from, count);  // a tenth of the time of opening a kept index is in the loop
#else
  for (std::size_t i = 0; i < count; ++i) number |= std::uint64_t{from[i]} << (8 * i);
#endif
  return number;
}

/// The same on every machine: bytes are taken as little-endian words. About 5 GB/s, where SHA-256
/// and FFmpeg's CRC-32 take as long as reading the index or the packets.
inline std::uint64_t checksum64(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint64_t kMultiplier = 0xc6a4a7935bd1e995ULL;
  const auto mixed = [](std::uint64_t word) {
    word *= kMultiplier;
    word ^= word >> 47;
    return word * kMultiplier;
  };
  std::uint64_t hash = static_cast<std::uint64_t>(size) * kMultiplier;
  const std::uint8_t* const whole = data + size / 8 * 8;
  for (; data != whole; data += 8) hash = (hash ^ mixed(little_endian(data, 8))) * kMultiplier;
  if (size % 8 != 0) hash = (hash ^ little_endian(data, size % 8)) * kMultiplier;
  hash ^= hash >> 47;
  hash *= kMultiplier;
  return hash ^ hash >> 47;
}

}  // namespace deepsport
