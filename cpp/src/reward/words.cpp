#include "reward/words.hpp"

#include <algorithm>
#include <functional>

#include "deepsport/reward.hpp"

namespace deepsport::reward {
namespace {

enum : unsigned char { kGap = 0 };

/// Lower-case byte of a word, or kGap.
unsigned char word_byte(unsigned char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<unsigned char>(c + 32);
  if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80) return c;
  return kGap;
}

/// Length of a character of Unicode that separates words, 0 if none starts here: U+00A0 no-break
/// space, U+2000-206F dashes, quotes and spaces, U+3000-303F CJK punctuation.
std::size_t wide_gap(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u;
  };
  if (byte(0) == 0xC2) return byte(1) == 0xA0 ? 2 : 0;
  if (byte(0) == 0xE2) {
    const bool general = byte(1) == 0x80 || (byte(1) == 0x81 && byte(2) <= 0xAF);
    return general && byte(2) >= 0x80 ? 3 : 0;
  }
  if (byte(0) == 0xE3) return byte(1) == 0x80 && byte(2) >= 0x80 ? 3 : 0;
  return 0;
}

}  // namespace

std::string_view cut(std::string_view text) {
  if (text.size() <= kMaxAnswerBytes) return text;
  std::size_t size = kMaxAnswerBytes;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  return text.substr(0, size);
}

const std::vector<std::string_view>& Words::read(std::string_view text) {
  words_.clear();
  lower_.resize(text.size());
  std::size_t begin = 0, out = 0;
  const auto finish = [&] {
    if (out > begin) words_.push_back(std::string_view(lower_).substr(begin, out - begin));
    begin = out;
  };
  for (std::size_t at = 0; at < text.size();) {
    const auto c = static_cast<unsigned char>(text[at]);
    const std::size_t gap = c < 0x80 ? 0 : wide_gap(text, at);
    const unsigned char lower = gap > 0 ? static_cast<unsigned char>(kGap) : word_byte(c);
    if (lower == kGap) {
      finish();
      at += std::max<std::size_t>(gap, 1);
    } else {
      lower_[out++] = static_cast<char>(lower);
      ++at;
    }
  }
  finish();
  return words_;
}

void WordNumbers::clear(std::size_t expected) {
  std::size_t size = 16;
  while (size < expected * 2) size *= 2;
  slots_.assign(size, Slot{{}, UINT32_MAX});
  count_ = 0;
}

std::uint32_t WordNumbers::number(std::string_view word) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = std::hash<std::string_view>{}(word)&mask;
  for (;; at = (at + 1) & mask) {
    Slot& slot = slots_[at];
    if (slot.number == UINT32_MAX) {
      slot = {word, static_cast<std::uint32_t>(count_++)};
      return slot.number;
    }
    if (slot.word == word) return slot.number;
  }
}

}  // namespace deepsport::reward
