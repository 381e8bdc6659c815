// The text protocol between model and frame tool: one turn is a thought and then exactly one
// action, a tool call or the answer (DeepSport, arXiv 2511.12908). Parsing, the rules for windows,
// and the message a model gets when it breaks them. Not the tool itself, and no scores.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "deepsport/protocol/json.hpp"

namespace deepsport::protocol {

/// How a tool call is written inside <tool_call>…</tool_call>.
enum class Form : int {
  kPaper = 0,   ///< {"action":"choose_frames","frame_range":[s,e]}
  kNative = 1,  ///< {"name": "choose_frames", "arguments": {"start_frame": s, "end_frame": e}}
};

/// Why a turn, a window or a whole rollout was rejected. Stored in files: append, never renumber.
enum class Reason : std::int32_t {
  kOk = 0,
  kInvalidUtf8 = 1,
  kTooLong = 2,
  kThinkMissing = 3,
  kThinkUnclosed = 4,
  kNoAction = 5,
  kToolCallUnclosed = 6,
  kAnswerUnclosed = 7,
  kSeveralActions = 8,
  kTextBeforeAction = 9,
  kTextAfterAction = 10,
  kAnswerEmpty = 11,
  kJsonMalformed = 12,
  kJsonTooDeep = 13,
  kJsonTooLarge = 14,
  kCallNotObject = 15,
  kActionMissing = 16,
  kActionUnknown = 17,
  kArgumentsMissing = 18,  ///< native form: no "arguments" object
  kRangeMissing = 19,
  kRangeNotIntegers = 20,
  kAnswerHasTag = 21,
  kArgumentMissing = 22,
  kArgumentInvalid = 23,
  kWindowReversed = 30,
  kWindowEmpty = 31,
  kWindowOutside = 32,
  kWindowTooShort = 33,
  kWindowRepeated = 34,
  kWindowFullRange = 35,
  kFrameOutside = 40,          ///< a tool refused: no such frame
  kRegionEmpty = 41,           ///< a tool refused: the region holds nothing of the frame
  kCallRepeated = 42,          ///< a tool refused: the same was asked before
  kCallRefused = 43,           ///< a tool refused for a reason of its own
  kCallOverBudget = 44,        ///< not executed: calls or frames were used up; no format error
  kRolloutEmpty = 50,          ///< no assistant turn at all
  kRolloutUnanswered = 51,     ///< the last turn is not an answer
  kRolloutGoesOn = 52,         ///< turns after the answer
  kRolloutCallsMismatch = 53,  ///< more tool calls executed than valid calls written
};

/// A call that is well written and was refused by its tool.
inline bool is_refusal(Reason reason) noexcept {
  return reason >= Reason::kWindowReversed && reason < Reason::kRolloutEmpty;
}

/// Name of a reason, e.g. "think_unclosed"; null for a number that is none.
const char* reason_name(Reason reason) noexcept;

/// How a window is written: two frame numbers, or two times.
enum class WindowUnit : int { kFrames = 0, kSeconds = 1 };

enum class ArgumentKind : int {
  kInteger = 0,
  kNumber = 1,  ///< an integer is a number too
  kText = 2,
  kIntegers = 3,  ///< a list
  kNumbers = 4,
  /// "frame_range": [s, e] or, in the native form, "start_frame" and "end_frame"; with
  /// WindowUnit::kSeconds "time_range": [s, e] or "start_seconds" and "end_seconds".
  kWindow = 5,
};

/// One argument of an action; a list has between `least` and `most` members.
struct Argument {
  std::string name;  ///< not read of a window
  ArgumentKind kind = ArgumentKind::kInteger;
  std::size_t least = 1, most = static_cast<std::size_t>(-1);
  bool required = true;
};

/// A tool that exists, and what its calls must hold; further members are kept and ignored.
struct Action {
  std::string name;
  std::vector<Argument> arguments = {};
  std::string example = {};  ///< a call as it should be written, for who got it wrong
};

/// The paper's own action: it takes a window.
Action choose_frames();

struct ParseOptions {
  Form form = Form::kPaper;
  bool require_think = true;
  std::vector<Action> actions = {choose_frames()};
  WindowUnit unit = WindowUnit::kFrames;
  std::size_t max_bytes = 1 << 20;
  JsonLimits json = {};
  bool trust_utf8 = false;  ///< the caller knows that the text is valid UTF-8
};

/// What one turn says. Views point into the text, except `name`, which points into the document.
struct ParsedTurn {
  Reason reason = Reason::kOk;
  bool has_think = false, has_call = false, has_answer = false;
  std::string_view think;               ///< between the tags, as written
  std::string_view answer;              ///< between the tags, without surrounding white space
  std::string_view call;                ///< between the tags, as written
  std::string_view name;                ///< the action; may be set although the call was rejected
  const Action* action = nullptr;       ///< of the options, by that name
  const Argument* argument = nullptr;   ///< the first one that is missing or invalid
  const JsonNode* arguments = nullptr;  ///< paper form: the whole object with its "action"
  bool has_window = false;              ///< the call takes a window and holds one
  std::int64_t start = -1, end = -1;    ///< of a window in frames
  double start_seconds = -1, end_seconds = -1;  ///< of a window in seconds
  std::size_t at = 0;                           ///< byte offset where the turn went wrong
  bool ok() const noexcept {
    return reason == Reason::kOk;
  }
};

/// Read one turn. Never throws on any bytes; linear in the text. `document` is scratch memory that
/// also holds the arguments, so it must outlive the result's use.
ParsedTurn parse_turn(std::string_view text, const ParseOptions& options, JsonDocument* document);

/// What to tell the model about a rejected turn: what was found and what would be valid.
std::string describe(const ParsedTurn& turn, const ParseOptions& options);

/// The last closed <answer>…</answer> after the last </think>, without surrounding white space.
/// False when there is none.
bool final_answer(std::string_view text, std::string_view* answer);

bool is_valid_utf8(std::string_view text) noexcept;
std::string_view strip(std::string_view text) noexcept;  ///< of ASCII white space

/// Columns that parse_batch fills, each of `count` rows; -1 where a row has no such thing.
struct TurnColumns {
  std::int32_t* reason;
  std::int8_t* action;        ///< 0 none, 1 tool call, 2 answer
  std::int64_t* frame_range;  ///< (count, 2) of a window in frames
  std::int64_t* think;        ///< (count, 2) byte offsets [begin, end) in the UTF-8 text
  std::int64_t* answer;       ///< (count, 2) likewise
};

/// Parse many turns on `threads` threads.
void parse_batch(const std::string_view* texts, std::size_t count, const ParseOptions& options,
                 const TurnColumns& out, int threads);

/// A window asks for frames inside [start, end).
struct Window {
  std::int64_t start, end;
};

struct WindowRules {
  std::int64_t min_span = 1;      ///< frames; the lineage code asks for more than 8
  std::int64_t repeat_slack = 1;  ///< both ends within this many frames of an earlier window
  bool full_range_shown = true;   ///< the initial frames already cover the whole video
};

struct WindowVerdict {
  Reason reason;
  Window window;  ///< end clamped to the video; meaningful when ok
  bool clamped;
};

/// Judge a window against the video and the earlier (accepted) windows.
WindowVerdict check_window(Window asked, std::int64_t frame_count, const Window* earlier,
                           std::size_t earlier_count, const WindowRules& rules = {});

std::string describe_window(const WindowVerdict& verdict, Window asked, std::int64_t frame_count,
                            const WindowRules& rules = {});

/// Frames to show of a window: int(linspace(start + 1, end - 1, num)), sorted, each once
/// (junbo-zou/VideoBrain, think_with_video.py). A window of one frame gives that frame. Needs
/// start < end, num >= 1.
std::vector<std::int64_t> window_indices(Window window, std::int64_t num = 8);

/// Frames to show at first: int(linspace(0, frame_count - 1, num)), sorted, each once.
std::vector<std::int64_t> uniform_indices(std::int64_t frame_count, std::int64_t num = 8);

}  // namespace deepsport::protocol
