// Names of the reasons, one table.
#include "deepsport/protocol.hpp"

namespace deepsport::protocol {

const char* reason_name(Reason reason) noexcept {
  switch (reason) {
    case Reason::kOk: return "ok";
    case Reason::kInvalidUtf8: return "invalid_utf8";
    case Reason::kTooLong: return "too_long";
    case Reason::kThinkMissing: return "think_missing";
    case Reason::kThinkUnclosed: return "think_unclosed";
    case Reason::kNoAction: return "no_action";
    case Reason::kToolCallUnclosed: return "tool_call_unclosed";
    case Reason::kAnswerUnclosed: return "answer_unclosed";
    case Reason::kSeveralActions: return "several_actions";
    case Reason::kTextBeforeAction: return "text_before_action";
    case Reason::kTextAfterAction: return "text_after_action";
    case Reason::kAnswerEmpty: return "answer_empty";
    case Reason::kJsonMalformed: return "json_malformed";
    case Reason::kJsonTooDeep: return "json_too_deep";
    case Reason::kJsonTooLarge: return "json_too_large";
    case Reason::kCallNotObject: return "call_not_object";
    case Reason::kActionMissing: return "action_missing";
    case Reason::kActionUnknown: return "action_unknown";
    case Reason::kArgumentsMissing: return "arguments_missing";
    case Reason::kRangeMissing: return "range_missing";
    case Reason::kRangeNotIntegers: return "range_not_integers";
    case Reason::kAnswerHasTag: return "answer_has_tag";
    case Reason::kArgumentMissing: return "argument_missing";
    case Reason::kArgumentInvalid: return "argument_invalid";
    case Reason::kWindowReversed: return "window_reversed";
    case Reason::kWindowEmpty: return "window_empty";
    case Reason::kWindowOutside: return "window_outside";
    case Reason::kWindowTooShort: return "window_too_short";
    case Reason::kWindowRepeated: return "window_repeated";
    case Reason::kWindowFullRange: return "window_full_range";
    case Reason::kFrameOutside: return "frame_outside";
    case Reason::kRegionEmpty: return "region_empty";
    case Reason::kCallRepeated: return "call_repeated";
    case Reason::kCallRefused: return "call_refused";
    case Reason::kCallOverBudget: return "call_over_budget";
    case Reason::kRolloutEmpty: return "rollout_empty";
    case Reason::kRolloutUnanswered: return "rollout_unanswered";
    case Reason::kRolloutGoesOn: return "rollout_goes_on";
    case Reason::kRolloutCallsMismatch: return "rollout_calls_mismatch";
  }
  return nullptr;
}

}  // namespace deepsport::protocol
