// Structures of the C face between programs and libraries of different ages.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "c/sized.hpp"

namespace deepsport::c {
namespace {

// A structure as an old header has it, and as a library does in which it has grown.
struct Then {
  std::size_t struct_bytes;
  std::int64_t first;
};
struct Now {
  std::size_t struct_bytes;
  std::int64_t first, second;
};
constexpr std::uint8_t kGuard = 0xA5;

/// `known` bytes of a program's memory that hold `value` as far as they go, and eight that are not
/// its own.
template <typename T>
std::vector<std::uint8_t> memory_of(T value, std::size_t known) {
  value.struct_bytes = known;
  std::vector<std::uint8_t> memory(std::max(known, sizeof(T)) + 8, kGuard);
  std::memcpy(memory.data(), &value, std::min(known, sizeof(T)));
  return memory;
}

TEST(CFace, TakesWhatAnOlderProgramKnowsAndKeepsDefaultsForTheRest) {
  const auto memory = memory_of(Then{0, 7}, sizeof(Then));
  const auto* given = reinterpret_cast<const Now*>(memory.data());
  const Now found = taken(given, Now{0, -1, -2}, sizeof(Then), "now");
  EXPECT_EQ(found.first, 7);
  EXPECT_EQ(found.second, -2);
}

TEST(CFace, TakesOfANewerProgramWhatThisLibraryKnows) {
  const auto memory = memory_of(Now{0, 7, 8}, sizeof(Now));
  const auto* given = reinterpret_cast<const Then*>(memory.data());
  EXPECT_EQ(taken(given, Then{0, -1}, sizeof(Then), "then").first, 7);
}

TEST(CFace, GivesAnOlderProgramNothingBeyondItsStructure) {
  auto memory = memory_of(Then{0, 0}, sizeof(Then));
  give(Now{0, 7, 8}, reinterpret_cast<Now*>(memory.data()));
  Then found;
  std::memcpy(&found, memory.data(), sizeof found);
  EXPECT_EQ(found.first, 7);
  EXPECT_EQ(found.struct_bytes, sizeof(Then));
  for (std::size_t i = sizeof(Then); i < memory.size(); ++i) EXPECT_EQ(memory[i], kGuard) << i;
}

TEST(CFace, RefusesAStructureShorterThanItEverWas) {
  const auto memory = memory_of(Then{0, 7}, sizeof(Then) - 1);
  const auto* given = reinterpret_cast<const Now*>(memory.data());
  try {
    taken(given, Now{}, sizeof(Then), "now");
    FAIL() << "taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::kInvalidArgument);
    EXPECT_EQ(std::string(error.what()),
              "now.struct_bytes is 15, valid are 16 or more: start from the INIT macro of now");
  }
}

// The numbers of 0.1 on machines of 64 bits, by hand: members may come after these, not before.
TEST(CFace, RemembersWhatStructuresMeasuredAtFirst) {
  if (sizeof(void*) != 8) GTEST_SKIP() << "the numbers are those of 64 bits";
  EXPECT_EQ(kFirstOpenOptions, 32u);
  EXPECT_EQ(kFirstFacts, 96u);
  EXPECT_EQ(kFirstDecodeOptions, 40u);
  EXPECT_EQ(kFirstTurn, 64u);
}

int parse_into(std::vector<std::uint8_t>& memory) {
  const std::string text = "<think>t</think><answer>A</answer>";
  return ds_parse_turn(text.data(), text.size(), DS_FORM_PAPER, 1,
                       reinterpret_cast<ds_turn*>(memory.data()), nullptr, 0);
}

TEST(CFace, ParsesIntoStructuresOfThisAgeAndOfALaterOne) {
  for (const std::size_t more : {0, 8}) {
    auto memory = memory_of(ds_turn DS_TURN_INIT, sizeof(ds_turn) + more);
    ASSERT_EQ(parse_into(memory), DS_OK) << ds_last_error();
    ds_turn turn;
    std::memcpy(&turn, memory.data(), sizeof turn);
    EXPECT_EQ(turn.action, DS_ACTION_ANSWER);
    EXPECT_EQ(turn.struct_bytes, sizeof(ds_turn) + more);
    for (std::size_t i = sizeof turn; i < memory.size(); ++i) EXPECT_EQ(memory[i], kGuard) << i;
  }
  auto memory = memory_of(ds_turn DS_TURN_INIT, kFirstTurn - 1);
  EXPECT_EQ(parse_into(memory), DS_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace deepsport::c
