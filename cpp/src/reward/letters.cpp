// Which option letters an answer names. Three rules in order; no guess when none applies.
#include <algorithm>
#include <array>

#include "deepsport/reward.hpp"
#include "reward/words.hpp"

namespace deepsport::reward {
namespace {

constexpr std::array<std::string_view, 15> kFiller = {
    "the",    "correct", "right",  "final",  "best", "my",  "answer", "answers",
    "option", "options", "choice", "letter", "is",   "are", "boxed"};

bool is_filler(std::string_view word) {
  return std::find(kFiller.begin(), kFiller.end(), word) != kFiller.end();
}

std::uint32_t bit_of(char lower) {
  return std::uint32_t{1} << (lower - 'a');
}
bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_word(char c) {
  return is_lower(c) || is_upper(c) || (c >= '0' && c <= '9') ||
         (static_cast<unsigned char>(c) & 0x80);
}

/// "B", "(b)", "The answer is B.", "A and C", and when several are wanted "AC".
std::uint32_t by_label(const std::vector<std::string_view>& words, bool several) {
  std::size_t first = 0;
  while (first < words.size() && is_filler(words[first])) ++first;
  if (several && first + 1 == words.size() && words[first].size() > 1) {
    std::uint32_t mask = 0;
    char before = 0;
    for (const char c : words[first]) {
      if (!is_lower(c) || c <= before) return 0;
      mask |= bit_of(c);
      before = c;
    }
    return mask;
  }
  std::uint32_t mask = 0;
  for (std::size_t i = first; i < words.size(); ++i) {
    if (words[i].size() == 1 && is_lower(words[i][0])) {
      mask |= bit_of(words[i][0]);
    } else if (words[i] != "and") {
      return 0;
    }
  }
  return mask;
}

/// "B. penalty kick", "(B) penalty kick", "**B**: penalty kick": a capital, then punctuation.
std::uint32_t by_anchor(std::string_view answer) {
  std::size_t at = 0;
  while (at < answer.size() && !is_word(answer[at])) ++at;
  if (at == answer.size() || !is_upper(answer[at])) return 0;
  const char letter = static_cast<char>(answer[at] + 32);
  ++at;
  while (at < answer.size() && answer[at] == ' ') ++at;
  if (at == answer.size() ||
      std::string_view(").:-*]}").find(answer[at]) == std::string_view::npos) {
    return 0;
  }
  return bit_of(letter);
}

std::uint32_t by_option_text(const std::vector<std::string_view>& words,
                             const std::string_view* options, std::size_t option_count) {
  std::uint32_t mask = 0;
  Words option;
  for (std::size_t i = 0; i < std::min<std::size_t>(option_count, 26); ++i) {
    if (!words.empty() && option.read(options[i]) == words) mask |= std::uint32_t{1} << i;
  }
  return (mask & (mask - 1)) == 0 ? mask : 0;  // two options with the same words name neither
}

}  // namespace

Letters read_letters(std::string_view answer, bool several, const std::string_view* options,
                     std::size_t option_count) {
  const std::size_t known = option_count == 0 ? 26 : std::min<std::size_t>(option_count, 26);
  const std::uint32_t valid = (std::uint32_t{1} << known) - 1;
  answer = cut(answer);
  Words reader;
  const auto& words = reader.read(answer);
  const auto within = [valid](std::uint32_t mask) { return mask != 0 && (mask & ~valid) == 0; };
  if (const std::uint32_t mask = by_label(words, several); within(mask))
    return {mask, Rule::kLabel};
  if (const std::uint32_t mask = by_anchor(answer); within(mask)) return {mask, Rule::kAnchor};
  if (const std::uint32_t mask = by_option_text(words, options, option_count); within(mask)) {
    return {mask, Rule::kOptionText};
  }
  return {};
}

}  // namespace deepsport::reward
