#include "reward/answer.hpp"

#include <algorithm>
#include <array>
#include <bitset>
#include <cmath>

namespace deepsport::reward {
namespace {

constexpr std::array<std::string_view, 21> kNumberWords = {
    "zero",     "one",     "two",     "three",     "four",     "five",     "six",
    "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",   "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"};

/// First word that is no filler is "yes" (1) or "no" (0); -1 otherwise.
int yes_or_no(const std::vector<std::string_view>& words) {
  for (const auto word : words) {
    if (word == "yes") return 1;
    if (word == "no") return 0;
    if (word != "the" && word != "answer" && word != "is") return -1;
  }
  return -1;
}

bool is_word_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '\'' ||
         (static_cast<unsigned char>(c) & 0x80) != 0;
}

/// The last capital that stands alone in a thought, within `known` letters; articles and pronouns
/// ("A player", "I see": a space and a lower-case letter follow) do not count. 0 when there is
/// none.
std::uint32_t last_letter(std::string_view thought, std::size_t known) {
  const auto count = static_cast<unsigned char>(known);
  for (std::size_t end = thought.size(); (end = end_of_last_between(thought, end, 'A', count)) > 0;
       --end) {
    const std::size_t at = end - 1;
    const char c = thought[at];
    if (at > 0 && is_word_byte(thought[at - 1])) continue;
    const char after = at + 1 < thought.size() ? thought[at + 1] : '\0';
    const char later = at + 2 < thought.size() ? thought[at + 2] : '\0';
    if (is_word_byte(after)) continue;
    if ((c == 'A' || c == 'I') && after == ' ' && later >= 'a' && later <= 'z') continue;
    return std::uint32_t{1} << (c - 'A');
  }
  return 0;
}

}  // namespace

bool AnswerScorer::read_number(const Item& item, std::string_view answer, double* value) {
  answer = cut(answer);
  NumberStyle style;
  style.clock = item.seconds;
  read_numbers(answer, style, &numbers_);
  if (numbers_.empty()) {
    const auto& words = words_.read(answer);
    const auto* found = words.size() == 1
                            ? std::find(kNumberWords.begin(), kNumberWords.end(), words[0])
                            : kNumberWords.end();
    if (found == kNumberWords.end()) return false;
    *value = static_cast<double>(found - kNumberWords.begin());
    return true;
  }
  *value = numbers_[0];  // "3 (3)" is one number, "3 or 4" is none
  return std::all_of(numbers_.begin(), numbers_.end(), [&](double n) { return n == numbers_[0]; });
}

void AnswerScorer::score_text(const Item& item, std::string_view answer, Parts* parts) {
  for (const std::string_view reference : item.references) {
    measures_.load(answer, reference);
    parts->exact = std::max(parts->exact, measures_.exact() ? 1.0 : 0.0);
    parts->token_f1 = std::max(parts->token_f1, measures_.token_f1());
    parts->rouge_l = std::max(parts->rouge_l, measures_.rouge_l());
  }
  parts->accuracy = parts->rouge_l;
}

void AnswerScorer::score(const Item& item, std::string_view answer, Parts* parts) {
  const auto found = [parts](Rule rule) { parts->rule = static_cast<std::int8_t>(rule); };
  double value = 0;
  switch (item.kind) {
    case Kind::kChoice:
    case Kind::kMultiChoice: {
      const Letters letters = read_letters(answer, item.kind == Kind::kMultiChoice,
                                           item.options.data(), item.options.size());
      found(letters.rule);
      parts->accuracy = letters.mask != 0 && letters.mask == item.letters ? 1 : 0;
      break;
    }
    case Kind::kFeedback: {
      const Letters letters = read_letters(answer, true, item.options.data(), item.options.size());
      found(letters.rule);
      const auto ones = [](std::uint32_t mask) {
        return static_cast<double>(std::bitset<32>(mask).count());
      };
      const double named = ones(letters.mask) + ones(item.letters);
      parts->accuracy = named > 0 ? 2 * ones(letters.mask & item.letters) / named : 0;
      break;
    }
    case Kind::kYesNo: {
      const int said = yes_or_no(words_.read(cut(answer)));
      if (said >= 0) found(Rule::kValue);
      parts->accuracy = said == (item.yes ? 1 : 0) ? 1 : 0;
      break;
    }
    case Kind::kNumber:
      if (!read_number(item, answer, &value)) break;
      found(Rule::kValue);
      // A hair more than the tolerance: 1.6 is within 0.1 of 1.5 although binary says not quite.
      parts->accuracy = std::abs(value - item.value) <=
                                item.tolerance + 1e-9 * std::max(1.0, std::abs(item.value))
                            ? 1
                            : 0;
      break;
    case Kind::kRating: {
      if (!read_number(item, answer, &value)) break;
      found(Rule::kValue);
      const double range = item.scale_high - item.scale_low;
      if (range > 0 && (value < item.scale_low || value > item.scale_high)) break;
      const double zero_at = item.tolerance > 0 ? 2 * item.tolerance : range / 4;
      const double error = std::abs(value - item.value);
      parts->accuracy = zero_at > 0 ? std::max(0.0, 1 - error / zero_at) : (error == 0 ? 1 : 0);
      break;
    }
    case Kind::kInterval:
      if (!read_spans(answer, &spans_)) break;
      found(Rule::kValue);
      parts->tiou = span_iou(spans_, item.spans);
      parts->accuracy = parts->tiou;
      break;
    case Kind::kEvents:
      found(Rule::kValue);
      parts->accuracy = measures_.sequence_ratio(answer, item.labels.data(), item.labels.size());
      break;
    case Kind::kText:
      found(Rule::kValue);
      score_text(item, answer, parts);
      break;
  }
}

std::int8_t AnswerScorer::consistent(const Item& item, std::string_view thought,
                                     std::string_view answer) {
  double said = 0;
  switch (item.kind) {
    case Kind::kChoice: {
      const Letters letters = read_letters(answer, false, item.options.data(), item.options.size());
      if (letters.mask == 0) return 0;
      const std::size_t known =
          item.options.empty() ? 26 : std::min<std::size_t>(item.options.size(), 26);
      return last_letter(thought, known) == letters.mask ? 1 : 0;
    }
    case Kind::kYesNo: {
      const int answered = yes_or_no(words_.read(cut(answer)));
      int thought_last = -1;
      for (const auto word : words_.read(thought)) {
        if (word == "yes") thought_last = 1;
        if (word == "no") thought_last = 0;
      }
      return answered >= 0 && answered == thought_last ? 1 : 0;
    }
    case Kind::kNumber:
    case Kind::kRating: {
      if (!read_number(item, answer, &said)) return 0;
      NumberStyle style;
      style.clock = item.seconds;
      read_numbers(thought, style, &numbers_);
      return !numbers_.empty() && numbers_.back() == said ? 1 : 0;
    }
    default: return -1;
  }
}

}  // namespace deepsport::reward
