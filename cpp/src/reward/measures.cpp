// TextMeasures: bags and sequences of words, characters, labels.
#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>

#include "deepsport/reward.hpp"
#include "protocol/spread.hpp"
#include "reward/sequences.hpp"
#include "reward/words.hpp"

namespace deepsport::reward {
namespace {

double harmonic(double precision, double recall) {
  return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0.0;
}

double ratio(std::size_t part, std::size_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

/// Numbers of the characters of valid UTF-8: ASCII by table, the rest by map.
class CharacterNumbers {
 public:
  void clear() {
    ascii_.fill(UINT32_MAX);
    wide_.clear();
    count_ = 0;
  }
  std::size_t size() const {
    return count_;
  }
  void read(std::string_view text, Symbols* symbols) {
    symbols->clear();
    for (std::size_t at = 0; at < text.size();) {
      const auto c = static_cast<unsigned char>(text[at]);
      const std::size_t size = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
      std::uint32_t bytes = c;
      for (std::size_t i = 1; i < size && at + i < text.size(); ++i) {
        bytes = bytes << 8 | static_cast<unsigned char>(text[at + i]);
      }
      std::uint32_t& number =
          c < 0x80 ? ascii_[c] : wide_.try_emplace(bytes, UINT32_MAX).first->second;
      if (number == UINT32_MAX) number = count_++;
      symbols->push_back(number);
      at += size;
    }
  }

 private:
  std::array<std::uint32_t, 128> ascii_{};
  std::unordered_map<std::uint32_t, std::uint32_t> wide_;
  std::uint32_t count_ = 0;
};

constexpr std::string_view kLabelBreaks = ",;|>\n";
constexpr std::string_view kArrow = "\xE2\x86\x92";  // U+2192

/// A label by its words, joined by a space; a leading number ("2. smash") is dropped.
std::string label_key(std::string_view label, Words* words) {
  const auto& all = words->read(label);
  std::size_t first = 0;
  if (all.size() > 1 &&
      std::all_of(all[0].begin(), all[0].end(), [](char c) { return c >= '0' && c <= '9'; })) {
    first = 1;
  }
  std::string key;
  for (std::size_t i = first; i < all.size(); ++i) {
    if (i > first) key.push_back(' ');
    key.append(all[i]);
  }
  return key;
}

}  // namespace

struct TextMeasures::State {
  std::string_view answer, reference;
  Words answer_words, reference_words;
  WordNumbers numbers;
  Symbols one, other;
  std::vector<std::int32_t> counts;
  SequenceComparer comparer;
  CharacterNumbers characters;
  Symbols one_characters, other_characters;
};

TextMeasures::TextMeasures() : state_(new State) {}
TextMeasures::~TextMeasures() {
  delete state_;
}

void TextMeasures::load(std::string_view answer, std::string_view reference) {
  State& s = *state_;
  s.answer = cut(answer);
  s.reference = cut(reference);
  const auto& answer_words = s.answer_words.read(s.answer);
  const auto& reference_words = s.reference_words.read(s.reference);
  s.numbers.clear(answer_words.size() + reference_words.size());
  s.one.clear();
  s.other.clear();
  for (const auto word : answer_words) s.one.push_back(s.numbers.number(word));
  for (const auto word : reference_words) s.other.push_back(s.numbers.number(word));
}

bool TextMeasures::exact() const {
  return !state_->one.empty() && state_->one == state_->other;
}

double TextMeasures::token_f1() {
  State& s = *state_;
  if (s.one.empty() || s.other.empty()) return 0;
  s.counts.assign(s.numbers.size(), 0);
  for (const std::uint32_t word : s.one) ++s.counts[word];
  std::size_t shared = 0;
  for (const std::uint32_t word : s.other) shared += s.counts[word]-- > 0;
  return harmonic(ratio(shared, s.one.size()), ratio(shared, s.other.size()));
}

double TextMeasures::rouge_l() {
  State& s = *state_;
  if (s.one.empty() || s.other.empty()) return 0;
  const std::size_t length = s.comparer.common(s.one, s.other, s.numbers.size());
  return harmonic(ratio(length, s.one.size()), ratio(length, s.other.size()));
}

double TextMeasures::edit_ratio() {
  State& s = *state_;
  s.characters.clear();
  s.characters.read(s.answer, &s.one_characters);
  s.characters.read(s.reference, &s.other_characters);
  const std::size_t longer = std::max(s.one_characters.size(), s.other_characters.size());
  if (longer == 0) return 1;
  const std::size_t distance =
      s.comparer.distance(s.one_characters, s.other_characters, s.characters.size());
  return 1.0 - ratio(distance, longer);
}

double TextMeasures::sequence_ratio(std::string_view answer, const std::string_view* labels,
                                    std::size_t count) {
  State& s = *state_;
  std::unordered_map<std::string, std::uint32_t> numbers;
  const auto number = [&](std::string key) {
    return numbers.try_emplace(std::move(key), static_cast<std::uint32_t>(numbers.size()))
        .first->second;
  };
  s.one.clear();
  s.other.clear();
  answer = cut(answer);
  const auto take = [&](std::string_view part) {
    std::string key = label_key(part, &s.answer_words);
    if (!key.empty()) s.one.push_back(number(std::move(key)));
  };
  std::size_t begin = 0;
  for (std::size_t at = 0; at < answer.size();) {
    const bool arrow = answer.compare(at, kArrow.size(), kArrow) == 0;
    if (arrow || kLabelBreaks.find(answer[at]) != std::string_view::npos) {
      take(answer.substr(begin, at - begin));
      at += arrow ? kArrow.size() : 1;
      begin = at;
    } else {
      ++at;
    }
  }
  take(answer.substr(begin));
  for (std::size_t i = 0; i < count; ++i) {
    s.other.push_back(number(label_key(labels[i], &s.reference_words)));
  }
  const std::size_t longer = std::max(s.one.size(), s.other.size());
  if (s.one.empty() || s.other.empty()) return 0;
  return 1.0 - ratio(s.comparer.distance(s.one, s.other, numbers.size()), longer);
}

void compare(Measure measure, const std::string_view* answers, const std::string_view* references,
             std::size_t count, double* out, int threads) {
  protocol::spread(count, threads, [&](std::size_t begin, std::size_t end) {
    TextMeasures measures;
    for (std::size_t i = begin; i < end; ++i) {
      measures.load(answers[i], references[i]);
      switch (measure) {
        case Measure::kExact: out[i] = measures.exact() ? 1 : 0; break;
        case Measure::kTokenF1: out[i] = measures.token_f1(); break;
        case Measure::kRougeL: out[i] = measures.rouge_l(); break;
        case Measure::kEditRatio: out[i] = measures.edit_ratio(); break;
      }
    }
  });
}

}  // namespace deepsport::reward
