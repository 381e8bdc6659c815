#include "reward/sequences.hpp"

#include <bitset>

namespace deepsport::reward {
namespace {

std::size_t count_ones(std::uint64_t word) {
  return std::bitset<64>(word).count();
}

}  // namespace

void SequenceComparer::load_pattern(const Symbols& pattern, std::size_t symbol_count) {
  blocks_ = (pattern.size() + 63) / 64;
  matches_.assign(symbol_count * blocks_, 0);
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    matches_[pattern[i] * blocks_ + i / 64] |= std::uint64_t{1} << (i % 64);
  }
}

std::size_t SequenceComparer::common(const Symbols& one, const Symbols& other,
                                     std::size_t symbol_count) {
  const Symbols& pattern = one.size() <= other.size() ? one : other;
  const Symbols& text = one.size() <= other.size() ? other : one;
  if (pattern.empty()) return 0;
  load_pattern(pattern, symbol_count);
  plus_.assign(blocks_, ~std::uint64_t{0});
  for (const std::uint32_t symbol : text) {
    const std::uint64_t* match = &matches_[symbol * blocks_];
    std::uint64_t carry = 0;
    for (std::size_t block = 0; block < blocks_; ++block) {
      const std::uint64_t value = plus_[block];
      const std::uint64_t hit = value & match[block];
      const std::uint64_t partial = value + hit;
      const std::uint64_t sum = partial + carry;
      carry =
          static_cast<std::uint64_t>(partial < value) | static_cast<std::uint64_t>(sum < partial);
      plus_[block] = sum | (value & ~hit);
    }
  }
  std::size_t length = 0;
  for (std::size_t block = 0; block < blocks_; ++block) {
    std::uint64_t zeros = ~plus_[block];
    const std::size_t used = pattern.size() - block * 64;
    if (used < 64) zeros &= (std::uint64_t{1} << used) - 1;
    length += count_ones(zeros);
  }
  return length;
}

std::size_t SequenceComparer::distance(const Symbols& one, const Symbols& other,
                                       std::size_t symbol_count) {
  const Symbols& pattern = one.size() <= other.size() ? one : other;
  const Symbols& text = one.size() <= other.size() ? other : one;
  if (pattern.empty()) return text.size();
  load_pattern(pattern, symbol_count);
  plus_.assign(blocks_, ~std::uint64_t{0});
  minus_.assign(blocks_, 0);
  std::size_t score = pattern.size();
  const std::size_t last_bit = (pattern.size() - 1) % 64;
  for (const std::uint32_t symbol : text) {
    const std::uint64_t* match = &matches_[symbol * blocks_];
    std::uint64_t plus_in = 1, minus_in = 0;  // row 0 of the table grows by one a column
    for (std::size_t block = 0; block < blocks_; ++block) {
      const std::uint64_t vertical_plus = plus_[block], vertical_minus = minus_[block];
      std::uint64_t equal = match[block];
      const std::uint64_t keep = equal | vertical_minus;
      equal |= minus_in;
      const std::uint64_t diagonal =
          (((equal & vertical_plus) + vertical_plus) ^ vertical_plus) | equal;
      std::uint64_t plus = vertical_minus | ~(diagonal | vertical_plus);
      std::uint64_t minus = vertical_plus & diagonal;
      if (block + 1 == blocks_) {
        score += (plus >> last_bit) & 1;
        score -= (minus >> last_bit) & 1;
      }
      const std::uint64_t plus_out = plus >> 63, minus_out = minus >> 63;
      plus = (plus << 1) | plus_in;
      minus = (minus << 1) | minus_in;
      plus_[block] = minus | ~(keep | plus);
      minus_[block] = plus & keep;
      plus_in = plus_out;
      minus_in = minus_out;
    }
  }
  return score;
}

}  // namespace deepsport::reward
