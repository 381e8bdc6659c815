// A small window on a source that moves forward: parsers ask for a few bytes here and there, and
// neighbours are answered by one read. What is skipped is never read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "deepsport/video.hpp"

namespace deepsport {

class ReadAhead {
 public:
  ReadAhead(const Source& source, Deadline& deadline, const char* doing)
      : source_(source), deadline_(deadline), doing_(doing) {}

  std::uint64_t size() const noexcept {
    return source_.size();
  }
  /// `count` bytes at `offset`, until the next call; null when the source ends before.
  /// @throws Error kTimeout, kCancelled, kIo.
  const std::uint8_t* at(std::uint64_t offset, std::size_t count) {
    if (offset < begin_ || count > held_ || offset - begin_ > held_ - count) {
      deadline_.poll(doing_);
      if (offset > size() || count > size() - offset) return nullptr;
      buffer_.resize(std::max(count, kBlock));
      begin_ = offset;
      held_ = source_.read_at(offset, buffer_.data(), buffer_.size());
      if (held_ < count) return nullptr;
    }
    return buffer_.data() + (offset - begin_);
  }
  /// The same for as many of `most` bytes as the source has; `count` says how many.
  const std::uint8_t* up_to(std::uint64_t offset, std::size_t most, std::size_t& count) {
    const std::uint64_t left = offset < size() ? size() - offset : 0;
    count = static_cast<std::size_t>(std::min<std::uint64_t>(most, left));
    return at(offset, count);
  }

 private:
  static constexpr std::size_t kBlock = std::size_t{1} << 13;

  const Source& source_;
  Deadline& deadline_;
  const char* doing_;
  std::vector<std::uint8_t> buffer_;
  std::uint64_t begin_ = 0;
  std::size_t held_ = 0;
};

}  // namespace deepsport
