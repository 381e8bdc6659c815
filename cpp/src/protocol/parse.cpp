// One turn: the tags first, then what is inside them. The first thing that is wrong is the reason.
#include <algorithm>

#include "deepsport/protocol.hpp"
#include "protocol/spread.hpp"

namespace deepsport::protocol {
namespace {

using std::string_view;
constexpr string_view kThink = "<think>", kThinkEnd = "</think>";
constexpr string_view kCall = "<tool_call>", kCallEnd = "</tool_call>";
constexpr string_view kAnswer = "<answer>", kAnswerEnd = "</answer>";
constexpr string_view kSpace = " \t\n\r\f\v";

bool is_blank(string_view text) {
  return text.find_first_not_of(kSpace) == string_view::npos;
}

bool has_action_tag(string_view text) {
  return text.find(kCall) != string_view::npos || text.find(kAnswer) != string_view::npos;
}

/// Reads one turn; holds the text and where trouble was found.
class TurnReader {
 public:
  TurnReader(string_view text, const ParseOptions& options, JsonDocument* document)
      : text_(text), options_(options), document_(*document) {}

  ParsedTurn read() {
    turn_.reason = read_tags();
    return turn_;
  }

 private:
  Reason reject(Reason reason, std::size_t at) {
    turn_.at = at;
    return reason;
  }
  std::size_t offset_of(string_view part) const {
    return static_cast<std::size_t>(part.data() - text_.data());
  }

  Reason read_tags() {
    if (text_.size() > options_.max_bytes) return reject(Reason::kTooLong, options_.max_bytes);
    if (!options_.trust_utf8 && !is_valid_utf8(text_)) return reject(Reason::kInvalidUtf8, 0);
    std::size_t at = std::min(text_.find_first_not_of(kSpace), text_.size());
    if (text_.compare(at, kThink.size(), kThink) == 0) {
      const std::size_t inside = at + kThink.size();
      const std::size_t close = text_.find(kThinkEnd, inside);
      if (close == string_view::npos) return reject(Reason::kThinkUnclosed, at);
      turn_.has_think = true;
      turn_.think = text_.substr(inside, close - inside);
      at = close + kThinkEnd.size();
    } else if (options_.require_think) {
      return reject(Reason::kThinkMissing, at);
    }
    return read_action(at);
  }

  Reason read_action(std::size_t at) {
    const std::size_t call = text_.find(kCall, at);
    const std::size_t answer = text_.find(kAnswer, at);
    if (call == string_view::npos && answer == string_view::npos) {
      return reject(Reason::kNoAction, at);
    }
    const bool is_call = call < answer;
    const std::size_t open = is_call ? call : answer;
    const string_view end_tag = is_call ? kCallEnd : kAnswerEnd;
    const std::size_t inside = open + (is_call ? kCall.size() : kAnswer.size());
    const std::size_t close = text_.find(end_tag, inside);
    // Without a required thought, free text before the action stands in for it.
    if ((options_.require_think || turn_.has_think) && !is_blank(text_.substr(at, open - at))) {
      return reject(Reason::kTextBeforeAction, at);
    }
    if (close == string_view::npos) {
      return reject(is_call ? Reason::kToolCallUnclosed : Reason::kAnswerUnclosed, open);
    }
    const string_view body = text_.substr(inside, close - inside);
    const string_view rest = text_.substr(close + end_tag.size());
    if (has_action_tag(rest)) return reject(Reason::kSeveralActions, offset_of(rest));
    if (!is_blank(rest)) return reject(Reason::kTextAfterAction, offset_of(rest));
    if (is_call) {
      turn_.call = body;
      return read_call(body);
    }
    if (has_action_tag(body)) return reject(Reason::kSeveralActions, inside);
    for (const string_view tag : {kThink, kThinkEnd, kCallEnd}) {
      const std::size_t found = body.find(tag);
      if (found != string_view::npos) return reject(Reason::kAnswerHasTag, inside + found);
    }
    const string_view said = strip(body);
    if (said.empty()) return reject(Reason::kAnswerEmpty, inside);
    turn_.has_answer = true;
    turn_.answer = said;
    return Reason::kOk;
  }

  Reason read_call(string_view body) {
    const std::size_t at = offset_of(body);
    if (!document_.parse(body, options_.json)) {
      switch (document_.fault()) {
        case JsonFault::kTooDeep: return reject(Reason::kJsonTooDeep, at + document_.fault_at());
        case JsonFault::kTooLarge: return reject(Reason::kJsonTooLarge, at + document_.fault_at());
        default: return reject(Reason::kJsonMalformed, at + document_.fault_at());
      }
    }
    const bool native = options_.form == Form::kNative;
    const JsonNode& root = document_.root();
    if (root.kind != JsonKind::kObject) return reject(Reason::kCallNotObject, at);
    const JsonNode* action = document_.member(root, native ? "name" : "action");
    if (action == nullptr || action->kind != JsonKind::kString) {
      return reject(Reason::kActionMissing, at);
    }
    turn_.name = document_.text(*action);
    const auto known = std::find_if(options_.actions.begin(), options_.actions.end(),
                                    [&](const Action& one) { return one.name == turn_.name; });
    if (known == options_.actions.end()) return reject(Reason::kActionUnknown, at);
    turn_.action = &*known;
    turn_.arguments = &root;
    if (native) {
      turn_.arguments = document_.member(root, "arguments");
      if (turn_.arguments == nullptr || turn_.arguments->kind != JsonKind::kObject) {
        turn_.arguments = nullptr;
        return reject(Reason::kArgumentsMissing, at);
      }
    }
    for (const Argument& argument : turn_.action->arguments) {
      const Reason reason =
          argument.kind == ArgumentKind::kWindow ? read_window(argument) : read_argument(argument);
      if (reason == Reason::kOk) continue;
      turn_.argument = &argument;
      return reject(reason, at);
    }
    turn_.has_call = true;
    return Reason::kOk;
  }

  static bool fits(const JsonNode& value, ArgumentKind kind) {
    const bool whole = value.kind == JsonKind::kInteger;
    switch (kind) {
      case ArgumentKind::kInteger:
      case ArgumentKind::kIntegers: return whole;
      case ArgumentKind::kNumber:
      case ArgumentKind::kNumbers: return whole || value.kind == JsonKind::kNumber;
      default: return value.kind == JsonKind::kString;
    }
  }

  Reason read_argument(const Argument& argument) {
    const JsonNode* value = document_.member(*turn_.arguments, argument.name);
    if (value == nullptr || (!argument.required && value->kind == JsonKind::kNull)) {
      return argument.required ? Reason::kArgumentMissing : Reason::kOk;
    }
    if (argument.kind != ArgumentKind::kIntegers && argument.kind != ArgumentKind::kNumbers) {
      return fits(*value, argument.kind) ? Reason::kOk : Reason::kArgumentInvalid;
    }
    if (value->kind != JsonKind::kArray || value->count < argument.least ||
        value->count > argument.most) {
      return Reason::kArgumentInvalid;
    }
    for (auto at = value->first_child; at != 0; at = document_.node(at).next) {
      if (!fits(document_.node(at), argument.kind)) return Reason::kArgumentInvalid;
    }
    return Reason::kOk;
  }

  Reason read_window(const Argument& argument) {
    const bool seconds = options_.unit == WindowUnit::kSeconds;
    const JsonNode* first = nullptr;
    const JsonNode* second = nullptr;
    if (options_.form == Form::kNative) {
      first = document_.member(*turn_.arguments, seconds ? "start_seconds" : "start_frame");
      second = document_.member(*turn_.arguments, seconds ? "end_seconds" : "end_frame");
      if (first == nullptr || second == nullptr) {
        const bool left_out = first == second && !argument.required;
        return left_out ? Reason::kOk : Reason::kRangeMissing;
      }
    } else {
      const JsonNode* range =
          document_.member(*turn_.arguments, seconds ? "time_range" : "frame_range");
      if (range == nullptr) return argument.required ? Reason::kRangeMissing : Reason::kOk;
      if (range->kind != JsonKind::kArray || range->count != 2) return Reason::kRangeNotIntegers;
      first = &document_.node(range->first_child);
      second = &document_.node(first->next);
    }
    const ArgumentKind kind = seconds ? ArgumentKind::kNumber : ArgumentKind::kInteger;
    if (!fits(*first, kind) || !fits(*second, kind)) return Reason::kRangeNotIntegers;
    turn_.has_window = true;
    if (seconds) {
      turn_.start_seconds = first->number;
      turn_.end_seconds = second->number;
    } else {
      turn_.start = first->integer;
      turn_.end = second->integer;
    }
    return Reason::kOk;
  }

  string_view text_;
  const ParseOptions& options_;
  JsonDocument& document_;
  ParsedTurn turn_;
};

}  // namespace

Action choose_frames() {
  return {"choose_frames", {{"frame_range", ArgumentKind::kWindow}}};
}

std::string_view strip(std::string_view text) noexcept {
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return text.substr(0, 0);
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

ParsedTurn parse_turn(std::string_view text, const ParseOptions& options, JsonDocument* document) {
  return TurnReader(text, options, document).read();
}

bool final_answer(std::string_view text, std::string_view* answer) {
  const std::size_t thought = text.rfind(kThinkEnd);
  if (thought != string_view::npos) text = text.substr(thought + kThinkEnd.size());
  const std::size_t close = text.rfind(kAnswerEnd);
  if (close == string_view::npos) return false;
  const std::size_t open = text.substr(0, close).rfind(kAnswer);
  if (open == string_view::npos) return false;
  const std::size_t inside = open + kAnswer.size();
  *answer = strip(text.substr(inside, close - inside));
  return true;
}

void parse_batch(const std::string_view* texts, std::size_t count, const ParseOptions& options,
                 const TurnColumns& out, int threads) {
  spread(count, threads, [&](std::size_t begin, std::size_t end) {
    JsonDocument document;
    for (std::size_t i = begin; i < end; ++i) {
      const ParsedTurn turn = parse_turn(texts[i], options, &document);
      const auto put = [&](std::int64_t* column, bool there, string_view part) {
        const auto first = there ? part.data() - texts[i].data() : -1;
        column[2 * i] = first;
        column[2 * i + 1] = there ? first + static_cast<std::int64_t>(part.size()) : -1;
      };
      out.reason[i] = static_cast<std::int32_t>(turn.reason);
      out.action[i] = turn.has_call ? 1 : turn.has_answer ? 2 : 0;
      out.frame_range[2 * i] = turn.start;
      out.frame_range[2 * i + 1] = turn.end;
      put(out.think, turn.has_think, turn.think);
      put(out.answer, turn.has_answer, turn.answer);
    }
  });
}

}  // namespace deepsport::protocol
