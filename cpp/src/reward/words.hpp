// Words of a text: runs of ASCII letters and digits (lower case) and of other characters' bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace deepsport::reward {

/// At most kMaxAnswerBytes of a text, not ending inside a character.
std::string_view cut(std::string_view text);

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
