// Words of a text: runs of ASCII letters and digits (lower case) and of other characters' bytes.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace deepsport::reward {

/// At most kMaxAnswerBytes of a text, not ending inside a character.
std::string_view cut(std::string_view text);

/// Whether one of eight bytes lies in [low, low + count), both ends below 128.
inline bool any_between(const char* eight, char low, unsigned char count) {
  std::uint64_t word = 0;
  std::memcpy(&word, eight, 8);
  constexpr std::uint64_t kOnes = 0x0101010101010101ULL, kHigh = 0x8080808080808080ULL;
  const std::uint64_t seven = word & ~kHigh;  // so that sums stay within their bytes
  const std::uint64_t from = seven + kOnes * (0x80u - static_cast<unsigned char>(low));
  const std::uint64_t beyond = seven + kOnes * (0x80u - static_cast<unsigned char>(low) - count);
  return (from & ~beyond & ~word & kHigh) != 0;
}

/// Place of the first byte at or after `from` that lies in [low, low + count); the text's size when
/// none does. Thoughts are long and hold few digits: eight bytes at a time.
inline std::size_t find_between(std::string_view text, std::size_t from, char low,
                                unsigned char count) {
  while (from + 8 <= text.size() && !any_between(text.data() + from, low, count)) from += 8;
  while (from < text.size() && static_cast<unsigned char>(text[from] - low) >= count) ++from;
  return from;
}

/// Likewise the length of the text up to and with its last such byte before `end`; 0 when there is
/// none.
inline std::size_t end_of_last_between(std::string_view text, std::size_t end, char low,
                                       unsigned char count) {
  while (end >= 8 && !any_between(text.data() + end - 8, low, count)) end -= 8;
  while (end > 0 && static_cast<unsigned char>(text[end - 1] - low) >= count) --end;
  return end;
}

/// Words of a text; views into memory of this object, valid until the next read().
class Words {
 public:
  const std::vector<std::string_view>& read(std::string_view text);
  const std::vector<std::string_view>& all() const {
    return words_;
  }

 private:
  std::string lower_;
  std::vector<std::string_view> words_;
};

/// Gives equal words equal numbers, 0, 1, 2, … in order of appearance.
class WordNumbers {
 public:
  void clear(std::size_t expected);
  std::uint32_t number(std::string_view word);
  std::size_t size() const {
    return count_;
  }

 private:
  struct Slot {
    std::string_view word;
    std::uint32_t number;
  };
  std::vector<Slot> slots_;
  std::size_t count_ = 0;
};

}  // namespace deepsport::reward
