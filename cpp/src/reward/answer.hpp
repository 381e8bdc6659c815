// Scores the answer of one rollout against its truth.
#pragma once

#include <string_view>
#include <vector>

#include "deepsport/reward.hpp"
#include "reward/words.hpp"

namespace deepsport::reward {

/// Fills accuracy, rule and the text and span measures of Parts. One object per thread.
class AnswerScorer {
 public:
  void score(const Item& item, std::string_view answer, Parts* parts);

  /// Whether the thought names the answer that was given: 1, 0, or -1 when it cannot be told.
  std::int8_t consistent(const Item& item, std::string_view thought, std::string_view answer);

 private:
  void score_text(const Item& item, std::string_view answer, Parts* parts);
  bool read_number(const Item& item, std::string_view answer, double* value);

  TextMeasures measures_;
  Words words_;
  std::vector<double> numbers_;
  std::vector<Span> spans_;
};

}  // namespace deepsport::reward
