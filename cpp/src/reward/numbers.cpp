// Numbers and spans as models write them. The grammar is the regular expression in reference.py.
#include <algorithm>
#include <charconv>
#include <string>

#include "deepsport/reward.hpp"
#include "reward/words.hpp"

namespace deepsport::reward {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr std::string_view kMinus = "\xE2\x88\x92";  // U+2212
constexpr std::size_t kMaxSpans = 64;

/// Scans one text; `at_` moves forward only.
class NumberScanner {
 public:
  NumberScanner(std::string_view text, const NumberStyle& style) : text_(text), style_(style) {}

  bool next(double* value) {
    for (;; ++at_) {
      const std::size_t digit = find_between(text_, at_, '0', 10);
      if (digit == text_.size()) break;
      at_ = digit > at_ && text_[digit - 1] == '.' ? digit - 1 : digit;
      if (!starts_number(at_)) continue;
      const std::size_t begin = at_;
      if (!(style_.clock && read_clock(value)) && !(style_.thousands && read_thousands(value))) {
        std::size_t end = digits_from(at_);
        end = with_fraction(end);
        *value = to_double(text_.substr(at_, end - at_));
        at_ = end;
      }
      if (style_.signs && is_negative(begin)) *value = -*value;
      return true;
    }
    return false;
  }

 private:
  char at(std::size_t i) const {
    return i < text_.size() ? text_[i] : '\0';
  }

  bool starts_number(std::size_t i) const {
    if (!is_digit(at(i)) && !(at(i) == '.' && is_digit(at(i + 1)))) return false;
    if (i == 0) return true;
    const char before = text_[i - 1];
    return !is_digit(before) && !is_letter(before) && before != '.';
  }
  std::size_t digits_from(std::size_t i) const {
    while (is_digit(at(i))) ++i;
    return i;
  }
  std::size_t with_fraction(std::size_t i) const {
    return at(i) == '.' && is_digit(at(i + 1)) ? digits_from(i + 1) : i;
  }
  static double to_double(std::string_view digits) {
    double value = 0;  // an overflow keeps 0; the text is cut long before that matters
    const std::string padded = digits[0] == '.' ? "0" + std::string(digits) : std::string(digits);
    const auto read = std::from_chars(padded.data(), padded.data() + padded.size(), value);
    return read.ec == std::errc() ? value : 0;
  }

  /// [0-9]{1,3}(:[0-5][0-9]){1,2}(?![0-9])(.[0-9]+)?
  bool read_clock(double* value) {
    const std::size_t first_end = digits_from(at_);
    if (first_end == at_ || first_end - at_ > 3) return false;
    const auto group = [this](std::size_t i) {
      return at(i) == ':' && at(i + 1) >= '0' && at(i + 1) <= '5' && is_digit(at(i + 2));
    };
    std::size_t groups = group(first_end) ? (group(first_end + 3) ? 2 : 1) : 0;
    while (groups > 0 && is_digit(at(first_end + 3 * groups))) --groups;
    if (groups == 0) return false;
    double whole = to_double(text_.substr(at_, first_end - at_));
    if (groups == 2) whole = whole * 60 + to_double(text_.substr(first_end + 1, 2));
    const std::size_t last = first_end + 3 * (groups - 1) + 1;
    const std::size_t end = with_fraction(last + 2);
    *value = whole * 60 + to_double(text_.substr(last, end - last));
    at_ = end;
    return true;
  }

  /// [0-9]{1,3}(,[0-9]{3})+(?![0-9])(.[0-9]+)?
  bool read_thousands(double* value) {
    const std::size_t first_end = digits_from(at_);
    if (first_end == at_ || first_end - at_ > 3) return false;
    std::size_t end = first_end;
    while (at(end) == ',' && is_digit(at(end + 1)) && is_digit(at(end + 2)) &&
           is_digit(at(end + 3))) {
      end += 4;
    }
    if (end > first_end && is_digit(at(end))) end -= 4;
    if (end == first_end) return false;
    end = with_fraction(end);
    std::string digits;
    for (std::size_t i = at_; i < end; ++i) {
      if (text_[i] != ',') digits.push_back(text_[i]);
    }
    *value = to_double(digits);
    at_ = end;
    return true;
  }

  /// A minus stands directly before, and no letter, digit or bracket before that ("10-12").
  bool is_negative(std::size_t begin) const {
    const std::string_view before = text_.substr(0, begin);
    std::size_t sign = 0;
    if (!before.empty() && before.back() == '-') {
      sign = 1;
    } else if (before.size() >= 3 && before.substr(before.size() - 3) == kMinus) {
      sign = 3;
    } else {
      return false;
    }
    if (before.size() == sign) return true;
    const char c = before[before.size() - sign - 1];
    return !is_digit(c) && !is_letter(c) && c != ')';
  }

  std::string_view text_;
  NumberStyle style_;
  std::size_t at_ = 0;
};

}  // namespace

void read_numbers(std::string_view text, const NumberStyle& style, std::vector<double>* numbers) {
  numbers->clear();
  NumberScanner scanner(text, style);
  for (double value = 0; scanner.next(&value);) numbers->push_back(value);
}

bool read_spans(std::string_view text, std::vector<Span>* spans) {
  spans->clear();
  std::vector<double> numbers;
  read_numbers(cut(text), {false, false, true}, &numbers);
  if (numbers.empty() || numbers.size() % 2 == 1 || numbers.size() > 2 * kMaxSpans) return false;
  for (std::size_t i = 0; i < numbers.size(); i += 2) {
    if (!(numbers[i] < numbers[i + 1])) return false;
    spans->push_back({numbers[i], numbers[i + 1]});
  }
  return true;
}

namespace {

/// Sorted by start, touching ones joined.
std::vector<Span> joined(std::vector<Span> spans) {
  std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) {
    return a.start != b.start ? a.start < b.start : a.stop < b.stop;
  });
  std::vector<Span> out;
  for (const Span& span : spans) {
    if (out.empty() || span.start > out.back().stop) {
      out.push_back(span);
    } else {
      out.back().stop = std::max(out.back().stop, span.stop);
    }
  }
  return out;
}

double length_of(const std::vector<Span>& spans) {
  double length = 0;
  for (const Span& span : spans) length += span.stop - span.start;
  return length;
}

}  // namespace

double span_iou(const std::vector<Span>& one, const std::vector<Span>& other) {
  const std::vector<Span> a = joined(one), b = joined(other);
  double overlap = 0;
  for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const double stop = std::min(a[i].stop, b[j].stop);
    const double start = std::max(a[i].start, b[j].start);
    if (stop > start) overlap += stop - start;
    (a[i].stop < b[j].stop ? i : j) += 1;
  }
  const double together = length_of(a) + length_of(b) - overlap;
  return together > 0 ? overlap / together : 0.0;
}

}  // namespace deepsport::reward
