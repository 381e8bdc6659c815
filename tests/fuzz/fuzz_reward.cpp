// Arbitrary bytes as the turns of rollouts of every kind: no crash, rewards within bounds, and one
// thread against many bit for bit. (The plain specification is met by the Python tests.)
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "deepsport/reward.hpp"

namespace reward = deepsport::reward;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

bool is_share(double value) {
  return value >= 0 && value <= 1 + 1e-9;
}

}  // namespace

std::vector<std::string> fuzz_seeds() {
  return {
      "<think>from 3 to 9</think><tool_call>{\"action\":\"choose_frames\",\"frame_range\":[3,9]}"
      "</tool_call>|<think>So B.</think><answer>B. penalty kick</answer>",
      "<think>1:05</think><answer>12.5-14, 1:02 to 1:04</answer>",
      "<think>yes</think><answer>-1,234.5</answer>",
      "<think></think><answer>1. serve → net cord > smash; Ünïcode “words”</answer>",
      "<think>a</think><answer>A and C</answer>",
  };
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string_view> turns;
  for (std::size_t begin = 0; begin <= text.size() && turns.size() < 8;) {
    const std::size_t end = std::min(text.find('|', begin), text.size());
    turns.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  std::vector<reward::Item> items;
  for (int copy = 0; copy < 4; ++copy) {  // enough rows for more than one chunk
    for (int kind = 0; kind <= 8; ++kind) {
      reward::Item item;
      item.turns = turns.data();
      item.turn_count = turns.size();
      item.kind = static_cast<reward::Kind>(kind);
      item.letters = 0b10;
      item.value = 3;
      item.tolerance = 0.5;
      item.scale_high = kind % 2 ? 10 : 0;
      item.seconds = copy % 2 == 1;
      item.spans = {{12, 14}, {62, 64}};
      item.labels = {"serve", "net cord"};
      item.references = {"a penalty kick", text};
      item.options = {"foul", "penalty kick", "foul"};
      item.frame_count = copy < 2 ? 300 : 0;
      item.evidence = {{4, 6}};
      items.push_back(item);
    }
  }
  std::vector<reward::Parts> one(items.size()), many(items.size());
  reward::score(items.data(), items.size(), {}, one.data(), 1);
  reward::score(items.data(), items.size(), {}, many.data(), 3);
  for (std::size_t i = 0; i < items.size(); ++i) {
    require(is_share(one[i].accuracy) && is_share(one[i].token_f1) && is_share(one[i].rouge_l));
    require(is_share(one[i].tiou) && is_share(one[i].evidence_iou) && one[i].window_share >= 0);
    require(std::memcmp(&one[i].accuracy, &many[i].accuracy, sizeof(double)) == 0);
    require(one[i].reason == many[i].reason && one[i].rouge_l == many[i].rouge_l);
    require(one[i].evidence_iou == many[i].evidence_iou && one[i].calls == many[i].calls);
  }
  double ratio = -1;
  reward::compare(reward::Measure::kEditRatio, &text, &turns[0], 1, &ratio, 1);
  require(is_share(ratio));
  return 0;
}
