// What a rollout earned, in parts: is the text well formed, is the answer right, which windows were
// looked at. Batches on a few threads. Not the weights between the parts (deepsport.reward.presets)
// and no judge. python/deepsport/reward/reference.py is the specification of every number here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "deepsport/protocol.hpp"

namespace deepsport::reward {

/// How an answer is scored; the kinds of deepsport.task.
enum class Kind : int {
  kChoice = 0,
  kMultiChoice = 1,
  kYesNo = 2,
  kNumber = 3,
  kInterval = 4,
  kEvents = 5,
  kRating = 6,
  kText = 7,
  kFeedback = 8,
};

/// How a letter was found in an answer. Stored in files: append, never renumber.
enum class Rule : std::int8_t { kNone = 0, kLabel = 1, kAnchor = 2, kOptionText = 3, kValue = 4 };

struct Span {
  double start, stop;
};

/// Longer answers and references are cut here (between characters) before they are compared.
inline constexpr std::size_t kMaxAnswerBytes = 32768;

/// Memory for the text measures, reused from one text to the next. One object per thread.
class TextMeasures {
 public:
  TextMeasures();
  ~TextMeasures();
  TextMeasures(const TextMeasures&) = delete;
  TextMeasures& operator=(const TextMeasures&) = delete;

  /// Read both texts into words; the measures below compare them.
  void load(std::string_view answer, std::string_view reference);
  bool exact() const;   ///< the same words in the same order, and at least one
  double token_f1();    ///< overlap of the two bags of words
  double rouge_l();     ///< F of the longest common subsequence of words
  double edit_ratio();  ///< 1 - edit distance of the characters / longer length
  /// 1 - edit distance of labels / longer length, each label compared by its words.
  double sequence_ratio(std::string_view answer, const std::string_view* labels, std::size_t count);

 private:
  struct State;
  State* state_;
};

enum class Measure : int { kExact = 0, kTokenF1 = 1, kRougeL = 2, kEditRatio = 3 };

/// One measure of many pairs of texts.
void compare(Measure measure, const std::string_view* answers, const std::string_view* references,
             std::size_t count, double* out, int threads);

/// Letters (bit i is the i-th letter) that an answer names, and how they were found.
struct Letters {
  std::uint32_t mask = 0;
  Rule rule = Rule::kNone;
};
Letters read_letters(std::string_view answer, bool several, const std::string_view* options,
                     std::size_t option_count);

struct NumberStyle {
  bool signs = true, thousands = true, clock = false;
};
/// Numbers in a text, in order.
void read_numbers(std::string_view text, const NumberStyle& style, std::vector<double>* numbers);

/// Spans "start-stop, start-stop, …" in seconds or mm:ss. False when the text holds none, an odd
/// count of numbers, more than 64 spans or one that does not end after it starts.
bool read_spans(std::string_view text, std::vector<Span>* spans);

/// Length of the overlap of two sets of spans over the length of their union; 0 when both are
/// empty.
double span_iou(const std::vector<Span>& one, const std::vector<Span>& other);

/// One rollout and its truth. Only the fields of the kind are read; memory belongs to the caller.
struct Item {
  const std::string_view* turns = nullptr;
  std::size_t turn_count = 0;
  Kind kind = Kind::kText;
  std::uint32_t letters = 0;  ///< right letters
  bool yes = false;
  double value = 0, tolerance = 0, scale_low = 0, scale_high = 0;
  bool seconds = false;  ///< the number is a time, so mm:ss is a number
  std::vector<Span> spans;
  std::vector<std::string_view> labels, references, options;
  std::int64_t frame_count = 0;  ///< 0: unknown, windows are only compared with each other
  std::int64_t calls = -1;       ///< executed tool calls; -1: as many as were valid in the text
  /// What the environment said to each valid call of the text, in order; calls beyond are judged
  /// here, as all are when it is empty.
  std::vector<protocol::Reason> verdicts;
  bool windows_given = false;  ///< `windows` were really shown; else they are read from the text
  std::vector<protocol::Window> windows, evidence;
  double accuracy = -1;  ///< judged elsewhere, in [0, 1]; below 0: score the answer here
  /// `shown` are the frames that the tool showed; else they are those a window of
  /// `frames_per_call` would show.
  bool shown_given = false;
  std::vector<std::int64_t> shown;
};

struct Rules {
  protocol::ParseOptions parse;
  protocol::WindowRules window;
  std::int64_t frames_per_call = 8;
};

/// The parts of one rollout.
struct Parts {
  double accuracy = 0, exact = 0, token_f1 = 0, rouge_l = 0, tiou = 0;
  double evidence_iou = 0;  ///< of all windows with the evidence
  double window_share = 0;  ///< frames of all windows / frames of the video
  std::int64_t calls = 0;   ///< executed
  std::int64_t window_frames = 0;
  std::int64_t shortest_window = -1;
  std::int32_t reason = 0;  ///< why the rollout is not well formed; 0 when it is
  std::int32_t reason_turn = -1;
  std::int32_t text_reason = 0;  ///< likewise, refused windows left aside
  std::int8_t rule = 0;
  bool answered = false;           ///< an answer was found, well formed or not
  bool thought = false;            ///< no thought is blank
  bool window_hit = false;         ///< a shown frame lies in the evidence
  bool ranges_in_thought = false;  ///< each call's window ends the thought before it (FrameThinker)
  std::int8_t consistent = -1;     ///< the last thought names the answer given; -1: cannot tell
};

void score(const Item* items, std::size_t count, const Rules& rules, Parts* parts, int threads);

enum class Scheme : int {
  kGrpo = 0,      ///< (r - mean) / (sample std + epsilon)
  kMeanOnly = 1,  ///< r - mean (Dr. GRPO)
  kLeaveOneOut = 2,
};

/// Advantages within groups; `group` numbers run from 0 to group_count - 1. A masked member gets 0
/// and is left out of its group's statistics; so does a group of one, or one whose rewards are
/// equal.
void advantages(const double* rewards, const std::int64_t* group, const bool* masked,
                std::size_t count, std::size_t group_count, Scheme scheme, double epsilon,
                double* out);

}  // namespace deepsport::reward
