#include "index/access_unit.hpp"

#include <algorithm>
#include <cstring>

#include "index/bits.hpp"

namespace deepsport {
namespace {

constexpr std::size_t kSliceHead = 64;                          // bytes that hold what is asked
constexpr std::size_t kMostSets = 64, kMostSetBytes = 1 << 14;  // more is no plain stream
constexpr std::size_t kMostMessages = 1 << 16;                  // bytes
constexpr std::size_t kMostUnits = 4096;                        // of a picture

// Where the next 00 00 01 begins, or `size`. In coded pictures one byte of 256 is a 1, and memchr
// passes over the others at the speed of memory.
std::size_t next_start(const std::uint8_t* data, std::size_t from, std::size_t size) {
  for (std::size_t at = from + 2; at < size; ++at) {
    const void* one = std::memchr(data + at, 1, size - at);
    if (one == nullptr) break;
    at = static_cast<std::size_t>(static_cast<const std::uint8_t*>(one) - data);
    if (data[at - 1] == 0 && data[at - 2] == 0) return at - 2;
  }
  return size;
}

}  // namespace

std::optional<AccessUnit> AccessUnitReader::read(const std::uint8_t* data, std::size_t size) {
  Progress progress;
  if (size < 5 || data[0] != 0 || data[1] != 0) return std::nullopt;
  progress.unit.long_start = data[2] == 0;
  if (data[progress.unit.long_start ? 3 : 2] != 1) return std::nullopt;
  for (std::size_t start = progress.unit.long_start ? 1 : 0; start < size;) {
    const std::size_t begin = start + 3;
    start = next_start(data, begin, size);
    const std::size_t count = start - begin;
    const bool had_slice = progress.has_slice;
    const std::size_t least = hevc_ ? 3 : 2;  // an H.264 delimiter has two bytes
    const bool sure = progress.units < kMostUnits && count >= least && (data[begin] & 0x80) == 0 &&
                      (hevc_ ? hevc_unit(data + begin, count, progress)
                             : h264_unit(data + begin, count, progress));
    if (!sure) return std::nullopt;
    if (!had_slice && progress.has_slice) progress.unit.head = begin + std::min(count, kSliceHead);
    ++progress.units;
  }
  if (!progress.has_slice) return std::nullopt;
  if (progress.new_sets) {
    if (!has_sps_) return std::nullopt;
    for (const auto& set : sets_) {
      headers_.insert(headers_.end(), {0, 0, 1});
      headers_.insert(headers_.end(), set.begin(), set.end());
    }
  }
  progress.unit.ends_with_zero = data[size - 1] == 0;
  return progress.unit;
}

// H.264 table 7-1. FFmpeg ends a picture at one of types 6 to 9 behind a slice, and at a slice that
// does not begin behind the one before.
bool AccessUnitReader::h264_unit(const std::uint8_t* data, std::size_t size, Progress& progress) {
  const int type = data[0] & 31;
  switch (type) {
    case 1:
    case 5: {
      BitReader bits(data + 1, std::min<std::size_t>(size - 1, 8));
      const std::uint32_t block = bits.exp_golomb();
      const bool follows = progress.has_slice ? block > progress.last_block : block == 0;
      progress.has_slice = true;
      progress.last_block = block;
      return follows;
    }
    case 6: return !progress.has_slice && messages(data, size, progress);
    case 7:
    case 8: return !progress.has_slice && parameter_set(data, size, type == 7, progress);
    case 9: return progress.units == 0;
    case 12: return progress.has_slice;  // filler
    default: return false;
  }
}

// HEVC table 7-1. FFmpeg ends a picture at one of the types 32 to 37, 39, 41 to 44 and 48 to 55
// behind a slice, and at a slice that says it is the first.
bool AccessUnitReader::hevc_unit(const std::uint8_t* data, std::size_t size, Progress& progress) {
  const int type = data[0] >> 1, layer = (data[0] & 1) << 5 | data[1] >> 3;
  const int temporal = data[1] & 7;
  if (layer != 0 || temporal == 0) return false;
  if (type <= 9 || (type >= 16 && type <= 21)) {
    const bool is_first = (data[2] & 0x80) != 0;
    if (is_first == progress.has_slice) return false;
    if (progress.has_slice) return type == progress.slice_type && temporal == progress.layer;
    progress.has_slice = true;
    progress.slice_type = type;
    progress.layer = temporal;
    return true;
  }
  switch (type) {
    case 32:
    case 33:
    case 34: return !progress.has_slice && parameter_set(data, size, type == 33, progress);
    case 35: return progress.units == 0;
    case 39: return !progress.has_slice;
    case 38:
    case 40: return progress.has_slice;  // filler, messages behind the slices
    default: return false;
  }
}

bool AccessUnitReader::parameter_set(const std::uint8_t* data, std::size_t size, bool is_sequence,
                                     Progress& progress) {
  while (size > 0 && data[size - 1] == 0) --size;
  const auto known = std::find_if(sets_.begin(), sets_.end(), [&](const auto& set) {
    return set.size() == size && std::memcmp(set.data(), data, size) == 0;
  });
  if (known != sets_.end()) return true;
  if (!headers_.empty() || sets_.size() == kMostSets || size < 3 || size > kMostSetBytes) {
    return false;  // a change on the way
  }
  if (is_sequence) {
    if (has_sps_) return false;
    has_sps_ = true;
    sps_ = hevc_ ? read_hevc_sps(data, size) : read_h264_sps(data, size);
  }
  sets_.emplace_back(data, data + size);
  progress.new_sets = true;
  return true;
}

// Supplemental enhancement information, H.264 7.3.2.3.1 and D.1.
bool AccessUnitReader::messages(const std::uint8_t* data, std::size_t size, Progress& progress) {
  if (size > kMostMessages) return false;
  const auto bytes = unescaped(data + 1, size - 1, kMostMessages);
  std::size_t at = 0;
  const auto number = [&] {  // 255 stands for more to come
    std::size_t value = 0;
    while (at < bytes.size()) {
      value += bytes[at];
      if (bytes[at++] != 255) break;
    }
    return value;
  };
  while (at + 2 < bytes.size()) {  // the last byte is the stop bit
    const std::size_t type = number(), length = number();
    if (length > bytes.size() - at) return false;
    BitReader bits(bytes.data() + at, length);
    if (type == 6) {                                          // recovery point
      constexpr std::uint32_t kMostPictures = (1 << 16) - 1;  // what FFmpeg believes
      progress.unit.has_recovery |= bits.exp_golomb() <= kMostPictures;
    }
    if (type == 1 && sps_.pic_struct_at >= 0) {  // picture timing
      bits.skip(sps_.pic_struct_at);
      progress.unit.pic_struct = static_cast<int>(bits.bits(4));
      if (bits.exhausted()) return false;
    }
    at += length;
  }
  return true;
}

}  // namespace deepsport
