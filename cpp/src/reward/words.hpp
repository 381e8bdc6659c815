// Words of a text: runs of ASCII letters and digits (lower case) and of other characters' bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace deepsport::reward {

/// At most kMaxAnswerBytes of a text, not ending inside a character.
std::string_view cut(std::string_view text);

/// Place of the first byte at or after `from` that lies in [low, low + count); the text's size when
/// none does. Thoughts are long and hold few digits: blocks without one are skipped.
inline std::size_t find_between(std::string_view text, std::size_t from, char low,
                                unsigned char count) {
  constexpr std::size_t kBlock = 32;
  const auto inside = [&](std::size_t at) {
    return static_cast<unsigned char>(text[at] - low) < count;
  };
  for (; from + kBlock <= text.size(); from += kBlock) {
    bool any = false;
    for (std::size_t i = 0; i < kBlock; ++i) any |= inside(from + i);
    if (any) break;
  }
  while (from < text.size() && !inside(from)) ++from;
  return from;
}

/// Likewise the length of the text up to and with its last such byte; 0 when there is none.
inline std::size_t end_of_last_between(std::string_view text, std::size_t end, char low,
                                       unsigned char count) {
  constexpr std::size_t kBlock = 32;
  const auto inside = [&](std::size_t at) {
    return static_cast<unsigned char>(text[at] - low) < count;
  };
  for (; end >= kBlock; end -= kBlock) {
    bool any = false;
    for (std::size_t i = 1; i <= kBlock; ++i) any |= inside(end - i);
    if (any) break;
  }
  while (end > 0 && !inside(end - 1)) --end;
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
