// The messages a model reads after a rejected turn or window: what was found, what would be valid.
#include <string>

#include "deepsport/protocol.hpp"

namespace deepsport::protocol {
namespace {

std::string range_text(std::int64_t start, std::int64_t end) {
  return "[" + std::to_string(start) + ", " + std::to_string(end) + "]";
}

std::string call_example(const ParsedTurn& turn, const ParseOptions& options) {
  const Action* action = turn.action;
  if (action == nullptr && !options.actions.empty()) action = &options.actions.front();
  if (action != nullptr && !action->example.empty()) return action->example;
  const bool seconds = options.unit == WindowUnit::kSeconds;
  if (options.form == Form::kNative) {
    return seconds ? "<tool_call>\n{\"name\": \"choose_frames\", \"arguments\": "
                     "{\"start_seconds\": 4.0, \"end_seconds\": 8.0}}\n</tool_call>"
                   : "<tool_call>\n{\"name\": \"choose_frames\", \"arguments\": "
                     "{\"start_frame\": 120, \"end_frame\": 240}}\n</tool_call>";
  }
  return seconds
             ? "<tool_call>{\"action\":\"choose_frames\",\"time_range\":[4.0,8.0]}</tool_call>"
             : "<tool_call>{\"action\":\"choose_frames\",\"frame_range\":[120,240]}</tool_call>";
}

/// What the members of a window are called.
std::string window_names(const ParseOptions& options) {
  const bool seconds = options.unit == WindowUnit::kSeconds;
  if (options.form == Form::kNative) {
    return seconds ? "\"start_seconds\" and \"end_seconds\"" : "\"start_frame\" and \"end_frame\"";
  }
  return seconds ? "\"time_range\"" : "\"frame_range\"";
}

std::string kind_text(const Argument& argument) {
  const auto list = [&argument](const char* what) {
    const std::string least = std::to_string(argument.least);
    if (argument.most == argument.least) return "a list of " + least + " " + what;
    const bool open = argument.most == static_cast<std::size_t>(-1);
    return "a list of " + least +
           (open ? " or more " : " to " + std::to_string(argument.most) + " ") + what;
  };
  switch (argument.kind) {
    case ArgumentKind::kInteger: return "an integer";
    case ArgumentKind::kNumber: return "a number";
    case ArgumentKind::kText: return "a text";
    case ArgumentKind::kIntegers: return list("integers");
    case ArgumentKind::kNumbers: return list("numbers");
    case ArgumentKind::kWindow: return "a window";
  }
  return "";
}

std::string found(const ParsedTurn& turn, const ParseOptions& options) {
  const std::string at = " (byte " + std::to_string(turn.at) + " of the turn)";
  const bool native = options.form == Form::kNative;
  switch (turn.reason) {
    case Reason::kInvalidUtf8: return "The turn is not valid UTF-8 text.";
    case Reason::kTooLong:
      return "The turn is longer than " + std::to_string(options.max_bytes) + " bytes.";
    case Reason::kThinkMissing: return "The turn does not start with <think>.";
    case Reason::kThinkUnclosed: return "<think> is never closed with </think>.";
    case Reason::kNoAction: return "There is neither a <tool_call> nor an <answer>.";
    case Reason::kToolCallUnclosed: return "<tool_call> is never closed with </tool_call>.";
    case Reason::kAnswerUnclosed: return "<answer> is never closed with </answer>.";
    case Reason::kSeveralActions: return "There is more than one action in the turn.";
    case Reason::kTextBeforeAction: return "There is text between the thought and the action.";
    case Reason::kTextAfterAction: return "There is text after the action.";
    case Reason::kAnswerEmpty: return "There is nothing inside <answer></answer>.";
    case Reason::kAnswerHasTag: return "There is a tag inside <answer></answer>.";
    case Reason::kJsonMalformed: return "The tool call is not valid JSON" + at + ".";
    case Reason::kJsonTooDeep: return "The JSON of the tool call is nested too deeply" + at + ".";
    case Reason::kJsonTooLarge: return "The JSON of the tool call is too large" + at + ".";
    case Reason::kCallNotObject: return "The tool call is not a JSON object.";
    case Reason::kActionMissing:
      return std::string("The tool call has no text under \"") + (native ? "name" : "action") +
             "\".";
    case Reason::kActionUnknown: {
      // A model may write anything here: show a bounded part, cut between characters.
      std::string_view shown = turn.name.substr(0, 40);
      while (!shown.empty() && !is_valid_utf8(shown)) shown.remove_suffix(1);
      std::string known;
      for (const Action& action : options.actions)
        known += (known.empty() ? "" : ", ") + action.name;
      return "There is no action \"" + std::string(shown) + "\"; the actions are: " + known + ".";
    }
    case Reason::kArgumentsMissing: return "The tool call has no object under \"arguments\".";
    case Reason::kRangeMissing:
      return std::string(turn.name) + " needs " + window_names(options) + ".";
    case Reason::kRangeNotIntegers: {
      const bool seconds = options.unit == WindowUnit::kSeconds;
      return window_names(options) + " must be " + (native ? "" : "two ") +
             (seconds ? "numbers of seconds." : "integers.");
    }
    case Reason::kArgumentMissing:
      return std::string(turn.name) + " needs \"" + turn.argument->name + "\", " +
             kind_text(*turn.argument) + ".";
    case Reason::kArgumentInvalid:
      return "\"" + turn.argument->name + "\" of " + std::string(turn.name) + " must be " +
             kind_text(*turn.argument) + ".";
    default: return "";
  }
}

}  // namespace

std::string describe(const ParsedTurn& turn, const ParseOptions& options) {
  if (turn.ok()) return "";
  return found(turn, options) +
         " Valid: " + (options.require_think ? "<think>your thought</think> followed by " : "") +
         "exactly one of " + call_example(turn, options) + " or <answer>your answer</answer>.";
}

std::string describe_window(const WindowVerdict& verdict, Window asked, std::int64_t frame_count,
                            const WindowRules& rules) {
  const std::string window = "The window " + range_text(asked.start, asked.end);
  const std::string valid = " Valid: two frame numbers start < end within " +
                            range_text(0, frame_count) + " that differ from every earlier window.";
  switch (verdict.reason) {
    case Reason::kOk:
      return verdict.clamped ? window + " ends behind the video; it was cut to " +
                                   range_text(verdict.window.start, verdict.window.end) + "."
                             : "";
    case Reason::kWindowReversed: return window + " ends before it starts." + valid;
    case Reason::kWindowEmpty: return window + " holds no frame." + valid;
    case Reason::kWindowOutside:
      return window + " is outside of the video, which has " + std::to_string(frame_count) +
             " frames." + valid;
    case Reason::kWindowTooShort:
      return window + " is shorter than " + std::to_string(rules.min_span) + " frames." + valid;
    case Reason::kWindowRepeated:
      return window + " was shown before: asking again shows the same frames." + valid;
    case Reason::kWindowFullRange:
      return window + " is the whole video, which the first frames already cover." + valid;
    default: return "";
  }
}

}  // namespace deepsport::protocol
