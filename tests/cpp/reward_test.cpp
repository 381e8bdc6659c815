// The rewards in C++: comparisons against plain tables, bounds, and batches on threads. The full
// specification is met by tests/python/test_reward_reference.py.
#include "deepsport/reward.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "reward/sequences.hpp"

namespace deepsport::reward {
namespace {

std::size_t plain_common(const Symbols& one, const Symbols& other) {
  std::vector<std::size_t> row(other.size() + 1, 0);
  for (const auto a : one) {
    std::size_t diagonal = 0;
    for (std::size_t j = 0; j < other.size(); ++j) {
      const std::size_t above = row[j + 1];
      row[j + 1] = a == other[j] ? diagonal + 1 : std::max(above, row[j]);
      diagonal = above;
    }
  }
  return row.back();
}

std::size_t plain_distance(const Symbols& one, const Symbols& other) {
  std::vector<std::size_t> row(other.size() + 1);
  for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (std::size_t i = 0; i < one.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < other.size(); ++j) {
      const std::size_t above = row[j + 1];
      row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (one[i] != other[j])});
      diagonal = above;
    }
  }
  return row.back();
}

TEST(Sequences, BitParallelTablesEqualPlainOnesAroundWordBoundaries) {
  std::mt19937 random(3);
  SequenceComparer comparer;
  for (const std::size_t m : {0u, 1u, 63u, 64u, 65u, 127u, 128u, 129u, 300u}) {
    for (const std::size_t n : {0u, 1u, 64u, 129u, 250u}) {
      for (const std::uint32_t symbols : {1u, 2u, 30u}) {
        Symbols one(m), other(n);
        for (auto& s : one) s = static_cast<std::uint32_t>(random() % symbols);
        for (auto& s : other) s = static_cast<std::uint32_t>(random() % symbols);
        EXPECT_EQ(comparer.common(one, other, symbols), plain_common(one, other));
        EXPECT_EQ(comparer.distance(one, other, symbols), plain_distance(one, other));
      }
    }
  }
}

Item choice(const std::vector<std::string_view>& turns) {
  Item item;
  item.turns = turns.data();
  item.turn_count = turns.size();
  item.kind = Kind::kChoice;
  item.letters = 1u << 1;
  item.frame_count = 300;
  return item;
}

TEST(Score, PartsOfAShortRollout) {
  const std::vector<std::string_view> turns = {
      "<think>frames 30 to 90</think>"
      "<tool_call>{\"action\":\"choose_frames\",\"frame_range\":[30,90]}</tool_call>",
      "<think>It is B.</think><answer>B</answer>"};
  Item item = choice(turns);
  item.evidence = {{50, 60}};
  Parts parts;
  score(&item, 1, {}, &parts, 1);
  EXPECT_EQ(parts.reason, 0);
  EXPECT_EQ(parts.calls, 1);
  EXPECT_EQ(parts.accuracy, 1);
  EXPECT_TRUE(parts.window_hit);
  EXPECT_TRUE(parts.ranges_in_thought);
  EXPECT_EQ(parts.consistent, 1);
  EXPECT_DOUBLE_EQ(parts.window_share, 0.2);
  EXPECT_DOUBLE_EQ(parts.evidence_iou, 10.0 / 60);

  item.shown_given = true;
  item.shown = {31, 49, 60};
  score(&item, 1, {}, &parts, 1);
  EXPECT_FALSE(parts.window_hit);
  item.shown.push_back(50);
  score(&item, 1, {}, &parts, 1);
  EXPECT_TRUE(parts.window_hit);
}

TEST(Score, OneThreadAndManyAgreeBitForBit) {
  std::mt19937 random(7);
  std::vector<std::string> answers, references;
  const char* words[] = {"serve", "smash", "net", "the", "point", "é"};
  const auto sentence = [&](std::string text) {
    for (int i = 0; i < 80; ++i) text += std::string(words[random() % 6]) + " ";
    return text;
  };
  for (int i = 0; i < 500; ++i) {
    answers.push_back("<think>x</think><answer>" + sentence("a ") + "</answer>");
    references.push_back(sentence(""));
  }
  std::vector<std::string_view> turns(answers.begin(), answers.end());
  std::vector<Item> items(500);
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i].turns = &turns[i];
    items[i].turn_count = 1;
    items[i].references = {references[i]};
  }
  std::vector<Parts> one(500), many(500);
  score(items.data(), 500, {}, one.data(), 1);
  score(items.data(), 500, {}, many.data(), 4);
  for (std::size_t i = 0; i < 500; ++i) {
    EXPECT_EQ(one[i].rouge_l, many[i].rouge_l);
    EXPECT_EQ(one[i].token_f1, many[i].token_f1);
    EXPECT_GT(one[i].token_f1, 0);
  }
}

TEST(Score, HugeWindowsOfAnUnknownVideoAreBounded) {
  const std::vector<std::string_view> turns = {
      "<think></"
      "think><tool_call>{\"action\":\"choose_frames\",\"frame_range\":[0,9223372036854775807]}"
      "</tool_call>",
      "<think></think><answer>B</answer>"};
  Item item = choice(turns);
  item.frame_count = 0;
  item.evidence = {{50, 60}};
  Parts parts;
  score(&item, 1, {}, &parts, 1);
  EXPECT_EQ(parts.reason, 0);
  EXPECT_EQ(parts.window_frames, std::int64_t{1} << 53);
}

TEST(Advantages, EqualRewardsGiveExactZero) {
  const double rewards[] = {0.1, 0.1, 0.1};
  const std::int64_t group[] = {0, 0, 0};
  const bool masked[] = {false, false, false};
  double out[] = {9, 9, 9};
  advantages(rewards, group, masked, 3, 1, Scheme::kGrpo, 1e-4, out);
  EXPECT_EQ(out[0], 0);
  EXPECT_EQ(out[2], 0);
}

}  // namespace
}  // namespace deepsport::reward
