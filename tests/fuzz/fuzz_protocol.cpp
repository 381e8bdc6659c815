// Arbitrary bytes as a turn: no crash, and what the parser says about them holds together.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "deepsport/protocol.hpp"

namespace protocol = deepsport::protocol;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

bool inside(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

}  // namespace

std::vector<std::string> fuzz_seeds() {
  return {
      "<think>a</think><tool_call>{\"action\":\"choose_frames\",\"frame_range\":[3,9]}</tool_call>",
      "<think>a</think>\n<tool_call>\n{\"name\": \"choose_frames\", \"arguments\": "
      "{\"start_frame\": 3, \"end_frame\": 40}}\n</tool_call>",
      "<think>é 🏀</think><answer>B</answer>",
      "text <answer>12.5-14, 1:02 to 1:04</answer>",
      "<think>a</"
      "think><tool_call>{\"action\":\"zoom\",\"box\":[0.1,-2e5,null,true,{\"a\":\"\\u00e9\"}]}"
      "</tool_call>",
      "<think></think><tool_call>{\"action\":\"zoom\",\"frame\":7,\"box\":[1,2.5,3,4]}</tool_call>",
      "<think></think><tool_call>{\"action\":\"choose_frames\",\"time_range\":[1,2.5]}</tool_call>",
  };
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  protocol::JsonDocument document;
  for (const auto form : {protocol::Form::kPaper, protocol::Form::kNative}) {
    for (const bool require_think : {true, false}) {
      protocol::ParseOptions options;
      options.form = form;
      options.require_think = require_think;
      // both units come up with both values of require_think over the forms
      options.unit = require_think == (form == protocol::Form::kPaper)
                         ? protocol::WindowUnit::kFrames
                         : protocol::WindowUnit::kSeconds;
      options.actions = {protocol::choose_frames(),
                         {"zoom",
                          {{"frame", protocol::ArgumentKind::kInteger},
                           {"box", protocol::ArgumentKind::kNumbers, 2, 5},
                           {"why", protocol::ArgumentKind::kText, 1, 1, false}}}};
      const auto turn = protocol::parse_turn(text, options, &document);
      require(turn.ok() == (turn.has_call || turn.has_answer));
      require(!(turn.has_call && turn.has_answer));
      require(inside(turn.think, text) && inside(turn.answer, text) && inside(turn.call, text));
      require(turn.at <= text.size());
      const std::string message = protocol::describe(turn, options);
      require(message.empty() == turn.ok() && protocol::is_valid_utf8(message));
      std::string_view answer;
      if (turn.has_answer) require(protocol::final_answer(text, &answer) && answer == turn.answer);
      require(!turn.has_call || turn.action != nullptr);
      if (turn.has_call && turn.has_window && options.unit == protocol::WindowUnit::kFrames) {
        const protocol::Window asked{turn.start, turn.end};
        const auto verdict = protocol::check_window(asked, 300, nullptr, 0);
        if (verdict.reason != protocol::Reason::kOk) continue;
        for (const std::int64_t frame : protocol::window_indices(verdict.window)) {
          require(frame >= verdict.window.start && frame < verdict.window.end && frame < 300);
        }
      }
    }
  }
  return 0;
}
