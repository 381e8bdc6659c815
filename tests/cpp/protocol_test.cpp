// The parser in C++: the JSON reader's bounds, the tag grammar, the window rules.
#include "deepsport/protocol.hpp"

#include <gtest/gtest.h>

#include <string>

namespace deepsport::protocol {
namespace {

Reason reason_of(const std::string& text, ParseOptions options = {}) {
  JsonDocument document;
  return parse_turn(text, options, &document).reason;
}

TEST(Json, ReadsNestedValuesInOrder) {
  JsonDocument document;
  ASSERT_TRUE(document.parse(R"( {"a":[1,-2.5e1,"x\u00e9\ud83c\udfc0"],"b":{},"a":null} )"));
  const JsonNode& root = document.root();
  EXPECT_EQ(root.count, 3u);
  const JsonNode& array = document.node(root.first_child);
  ASSERT_EQ(array.kind, JsonKind::kArray);
  const JsonNode& one = document.node(array.first_child);
  EXPECT_EQ(one.integer, 1);
  EXPECT_EQ(document.node(one.next).number, -25.0);
  EXPECT_EQ(document.text(document.node(document.node(one.next).next)), "xé🏀");
  EXPECT_EQ(document.member(root, "a")->kind, JsonKind::kNull) << "the last of two wins";
  EXPECT_EQ(document.member(root, "c"), nullptr);
}

TEST(Json, RefusesWhatTheStandardRefuses) {
  JsonDocument document;
  for (const char* text :
       {"",        "{",      "[1,]",     "{\"a\":1,}", "01",    "1.",          ".5",
        "+1",      "NaN",    "Infinity", "'a'",        "{a:1}", "\"\\ud800\"", "\"\\ud800\\u0041\"",
        "\"\\x\"", "\"\n\"", "[1] 2",    "tru",        "1e999", "\"",          "\"\\",
        "\"\\u12"}) {
    EXPECT_FALSE(document.parse(text)) << text;
    EXPECT_EQ(document.fault(), JsonFault::kSyntax) << text;
    EXPECT_EQ(document.root().kind, JsonKind::kNull);
  }
}

TEST(Json, DepthIsBoundedWithoutRecursion) {
  JsonDocument document;
  EXPECT_TRUE(document.parse(std::string(16, '[') + std::string(16, ']')));
  EXPECT_FALSE(document.parse(std::string(60000, '[')));
  EXPECT_EQ(document.fault(), JsonFault::kTooDeep);
  EXPECT_EQ(document.fault_at(), 16u);
}

TEST(Json, NodesAndBytesAreBounded) {
  JsonDocument document;
  std::string many = "[0";
  for (int i = 0; i < 5000; ++i) many += ",0";
  EXPECT_FALSE(document.parse(many + "]"));
  EXPECT_EQ(document.fault(), JsonFault::kTooLarge);
  EXPECT_FALSE(document.parse(std::string(70000, ' ') + "1"));
  EXPECT_EQ(document.fault(), JsonFault::kTooLarge);
}

TEST(Json, AnIntegerTooLargeFor64BitsIsANumber) {
  JsonDocument document;
  ASSERT_TRUE(document.parse("9223372036854775808"));
  EXPECT_EQ(document.root().kind, JsonKind::kNumber);
  ASSERT_TRUE(document.parse("-9223372036854775808"));
  EXPECT_EQ(document.root().kind, JsonKind::kInteger);
}

TEST(Turn, ReadsAPaperCall) {
  JsonDocument document;
  const std::string text =
      " <think> see </think>\n<tool_call>{\"action\":\"choose_frames\",\"frame_range\":[3, "
      "9]}</tool_call> ";
  const auto turn = parse_turn(text, {}, &document);
  EXPECT_TRUE(turn.ok());
  EXPECT_EQ(turn.think, " see ");
  EXPECT_EQ(turn.name, "choose_frames");
  EXPECT_EQ(turn.start, 3);
  EXPECT_EQ(turn.end, 9);
}

TEST(Turn, TagsInsideTheThoughtAreText) {
  EXPECT_EQ(reason_of("<think>maybe <answer>A</answer></think><answer>B</answer>"), Reason::kOk);
}

TEST(Turn, EachPrefixOfAValidTurnIsRejectedForAStatedReason) {
  const std::string text =
      "<think>a</think><tool_call>{\"action\":\"choose_frames\",\"frame_range\":[3,9]}</tool_call>";
  ParseOptions options;
  JsonDocument document;
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto prefix = text.substr(0, size);
    const auto turn = parse_turn(prefix, options, &document);
    EXPECT_FALSE(turn.ok()) << prefix;
    EXPECT_NE(describe(turn, options), "") << prefix;
  }
}

TEST(Turn, UnknownNamesAreCutBetweenCharactersInTheMessage) {
  std::string name;
  for (int i = 0; i < 30; ++i) name += "é";
  ParseOptions options;
  JsonDocument document;
  const std::string text = "<think>a</think><tool_call>{\"action\":\"x" + name + "\"}</tool_call>";
  const auto turn = parse_turn(text, options, &document);
  EXPECT_EQ(turn.reason, Reason::kActionUnknown);
  EXPECT_TRUE(is_valid_utf8(describe(turn, options)));
}

TEST(Utf8, FollowsTheTableOfWellFormedSequences) {
  for (const char* good :
       {"", "plain ascii text", "\xC2\x80", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_valid_utf8(good));
  }
  for (const char* bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xC2", "\xE2\x82", "long enough \xF0\x9F\x8F"}) {
    EXPECT_FALSE(is_valid_utf8(bad));
  }
}

TEST(Window, EndBehindTheVideoIsClampedAndTheRestIsJudged) {
  const Window earlier[] = {{90, 300}};
  EXPECT_EQ(check_window({90, 500}, 300, nullptr, 0).window.end, 300);
  EXPECT_EQ(check_window({91, 500}, 300, earlier, 1).reason, Reason::kWindowRepeated);
  EXPECT_EQ(check_window({92, 500}, 300, earlier, 1).reason, Reason::kOk);
  EXPECT_EQ(check_window({9, 3}, 300, nullptr, 0).reason, Reason::kWindowReversed);
  EXPECT_EQ(check_window({9, 9}, 300, nullptr, 0).reason, Reason::kWindowEmpty);
  EXPECT_EQ(check_window({-1, 9}, 300, nullptr, 0).reason, Reason::kWindowOutside);
  EXPECT_EQ(check_window({300, 301}, 300, nullptr, 0).reason, Reason::kWindowOutside);
  EXPECT_EQ(check_window({1, 299}, 300, nullptr, 0).reason, Reason::kWindowFullRange);
  EXPECT_EQ(check_window({INT64_MIN, INT64_MAX}, 300, nullptr, 0).reason, Reason::kWindowOutside);
}

TEST(Action, ArgumentsAreCheckedAndTheFirstWrongOneIsNamed) {
  ParseOptions options;
  options.actions = {choose_frames(),
                     {"zoom",
                      {{"frame", ArgumentKind::kInteger},
                       {"region", ArgumentKind::kNumbers, 4, 4},
                       {"why", ArgumentKind::kText, 1, 1, false}},
                      "an example"}};
  const auto call = [](const std::string& members) {
    return "<think></think><tool_call>{\"action\":\"zoom\"" + members + "}</tool_call>";
  };
  JsonDocument document;
  const std::string good = call(",\"frame\":7,\"region\":[1,2.5,3,4],\"why\":null");
  EXPECT_TRUE(parse_turn(good, options, &document).ok());
  const std::string three = call(",\"frame\":7,\"region\":[1,2,3]");
  const ParsedTurn wrong = parse_turn(three, options, &document);
  EXPECT_EQ(wrong.reason, Reason::kArgumentInvalid);
  ASSERT_NE(wrong.argument, nullptr);
  EXPECT_EQ(wrong.argument->name, "region");
  EXPECT_NE(describe(wrong, options).find("a list of 4 numbers"), std::string::npos);
  EXPECT_NE(describe(wrong, options).find("an example"), std::string::npos);
  EXPECT_EQ(reason_of(call(",\"region\":[1,2,3,4]"), options), Reason::kArgumentMissing);
  EXPECT_TRUE(is_refusal(Reason::kRegionEmpty));
  EXPECT_FALSE(is_refusal(Reason::kArgumentInvalid));
}

TEST(Window, IsWrittenInSecondsWhereThatIsTheUnit) {
  ParseOptions options;
  options.unit = WindowUnit::kSeconds;
  JsonDocument document;
  const std::string text =
      "<think></think><tool_call>{\"action\":\"choose_frames\",\"time_range\":[1,2.5]}</tool_call>";
  const ParsedTurn turn = parse_turn(text, options, &document);
  EXPECT_TRUE(turn.ok() && turn.has_window);
  EXPECT_EQ(turn.start, -1);
  EXPECT_EQ(turn.start_seconds, 1.0);
  EXPECT_EQ(turn.end_seconds, 2.5);
}

TEST(Window, IndicesLeaveOutTheEnds) {
  EXPECT_EQ(window_indices({10, 26}), (std::vector<std::int64_t>{11, 13, 15, 17, 19, 21, 23, 25}));
  EXPECT_EQ(window_indices({5, 6}), (std::vector<std::int64_t>{5}));
  EXPECT_EQ(window_indices({5, 8}), (std::vector<std::int64_t>{6, 7}));
  EXPECT_EQ(uniform_indices(1), (std::vector<std::int64_t>{0}));
}

}  // namespace
}  // namespace deepsport::protocol
