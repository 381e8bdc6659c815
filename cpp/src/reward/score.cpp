// One rollout from its texts to its parts, and a batch of them.
#include <algorithm>
#include <cmath>

#include "deepsport/reward.hpp"
#include "protocol/spread.hpp"
#include "reward/answer.hpp"

namespace deepsport::reward {
namespace {

using protocol::ParsedTurn;
using protocol::Reason;
using protocol::Window;

/// Stands for the length of a video nobody knows: any larger frame number is no exact double.
constexpr std::int64_t kUnknownFrames = std::int64_t{1} << 53;

bool is_blank(std::string_view text) {
  return protocol::strip(text).empty();
}

/// Scores rollouts one after another. One object per thread.
class RolloutScorer {
 public:
  explicit RolloutScorer(const Rules& rules) : rules_(rules) {}

  Parts score(const Item& item) {
    parts_ = Parts();
    windows_.clear();
    window_actions_.clear();
    valid_calls_ = 0;
    written_calls_ = 0;
    answer_ = {};
    last_thought_ = {};
    read_turns(item);
    parts_.calls = item.calls >= 0 ? item.calls : written_calls_;
    if (parts_.reason == 0 && item.calls > written_calls_) {
      reject(Reason::kRolloutCallsMismatch, -1);
    }
    look_at_windows(item, item.windows_given ? item.windows : windows_);
    if (parts_.answered) {
      answers_.score(item, answer_, &parts_);
      parts_.consistent = answers_.consistent(item, last_thought_, answer_);
    }
    if (item.accuracy >= 0) parts_.accuracy = item.accuracy;
    return parts_;
  }

 private:
  void reject(Reason reason, std::size_t turn) {
    if (!protocol::is_refusal(reason) && parts_.text_reason == 0) {
      parts_.text_reason = static_cast<std::int32_t>(reason);
    }
    if (parts_.reason != 0) return;  // the first thing that is wrong is the reason
    parts_.reason = static_cast<std::int32_t>(reason);
    parts_.reason_turn = static_cast<std::int32_t>(turn);
  }

  void read_turns(const Item& item) {
    if (item.turn_count == 0) return reject(Reason::kRolloutEmpty, static_cast<std::size_t>(-1));
    parts_.thought = parts_.ranges_in_thought = true;
    bool ended = false, readable = false;
    for (std::size_t i = 0; i < item.turn_count; ++i) {
      const ParsedTurn turn = protocol::parse_turn(item.turns[i], rules_.parse, &document_);
      if (ended) reject(Reason::kRolloutGoesOn, i);
      if (!turn.ok()) reject(turn.reason, i);
      if (!turn.has_think || is_blank(turn.think)) parts_.thought = false;
      if (turn.has_think) last_thought_ = turn.think;
      if (turn.has_call) read_call(item, turn, i);
      if (turn.has_answer) ended = true;
      readable = turn.reason != Reason::kTooLong && turn.reason != Reason::kInvalidUtf8;
    }
    const std::size_t last = item.turn_count - 1;
    if (!ended) reject(Reason::kRolloutUnanswered, last);
    // What was meant counts for accuracy also where the format is broken.
    if (readable) {
      parts_.answered = protocol::final_answer(item.turns[last], &answer_) && !answer_.empty();
    }
  }

  void read_call(const Item& item, const ParsedTurn& turn, std::size_t at) {
    const bool in_frames = rules_.parse.unit == protocol::WindowUnit::kFrames;
    if (turn.has_window) {
      const double start = in_frames ? static_cast<double>(turn.start) : turn.start_seconds;
      const double end = in_frames ? static_cast<double>(turn.end) : turn.end_seconds;
      if (!ends_on(turn.think, start, end)) parts_.ranges_in_thought = false;
    }
    const std::size_t number = valid_calls_++;
    const Window asked{turn.start, turn.end};
    if (number < item.verdicts.size()) {
      const Reason said = item.verdicts[number];
      if (said == Reason::kCallOverBudget) return;
      if (said != Reason::kOk) return reject(said, at);
      if (turn.has_window && in_frames) {
        const std::int64_t frames = item.frame_count > 0 ? item.frame_count : kUnknownFrames;
        windows_.push_back({asked.start, std::min(asked.end, frames)});
      }
    } else if (turn.has_window && in_frames) {
      const auto verdict = judge_window(item, asked, turn.action);
      if (verdict.reason != Reason::kOk) return reject(verdict.reason, at);
      windows_.push_back(verdict.window);
    }
    if (windows_.size() > window_actions_.size()) window_actions_.push_back(turn.action);
    ++written_calls_;
  }

  /// Whether the last two numbers of a thought are these.
  bool ends_on(std::string_view thought, double start, double end) {
    read_numbers(thought, {false, false, false}, &numbers_);
    const std::size_t n = numbers_.size();
    return n >= 2 && numbers_[n - 2] == start && numbers_[n - 1] == end;
  }

  /// The rules of the frame tool; a window is repeated when the same action showed it.
  protocol::WindowVerdict judge_window(const Item& item, Window asked,
                                       const protocol::Action* action) {
    const std::int64_t frames = item.frame_count > 0 ? item.frame_count : kUnknownFrames;
    protocol::WindowRules rules = rules_.window;
    if (item.frame_count <= 0 || action->name != "choose_frames") rules.full_range_shown = false;
    earlier_.clear();
    for (std::size_t i = 0; i < windows_.size(); ++i) {
      if (window_actions_[i] == action) earlier_.push_back(windows_[i]);
    }
    return protocol::check_window(asked, frames, earlier_.data(), earlier_.size(), rules);
  }

  void look_at_windows(const Item& item, const std::vector<Window>& windows) {
    shown_spans_.clear();
    for (const Window& window : windows) {
      const std::int64_t span = window.end - window.start;
      if (span <= 0) continue;
      parts_.window_frames += span;
      parts_.shortest_window =
          parts_.shortest_window < 0 ? span : std::min(parts_.shortest_window, span);
      shown_spans_.push_back({static_cast<double>(window.start), static_cast<double>(window.end)});
      if (item.evidence.empty() || item.shown_given || parts_.window_hit) continue;
      look_at_frames(item, protocol::window_indices(window, rules_.frames_per_call));
    }
    if (item.shown_given) look_at_frames(item, item.shown);
    if (item.frame_count > 0) {
      parts_.window_share =
          static_cast<double>(parts_.window_frames) / static_cast<double>(item.frame_count);
    }
    if (!item.evidence.empty() && !shown_spans_.empty()) {
      evidence_spans_.clear();
      for (const Window& window : item.evidence) {
        evidence_spans_.push_back(
            {static_cast<double>(window.start), static_cast<double>(window.end)});
      }
      parts_.evidence_iou = span_iou(shown_spans_, evidence_spans_);
    }
  }

  void look_at_frames(const Item& item, const std::vector<std::int64_t>& frames) {
    for (const std::int64_t frame : frames) {
      for (const Window& evidence : item.evidence) {
        if (frame >= evidence.start && frame < evidence.end) parts_.window_hit = true;
      }
    }
  }

  const Rules& rules_;
  protocol::JsonDocument document_;
  AnswerScorer answers_;
  Parts parts_;
  std::vector<Window> windows_, earlier_;
  std::vector<const protocol::Action*> window_actions_;  // of each of windows_
  std::vector<Span> shown_spans_, evidence_spans_;
  std::vector<double> numbers_;
  std::size_t valid_calls_ = 0;
  std::int64_t written_calls_ = 0;
  std::string_view answer_, last_thought_;
};

}  // namespace

void score(const Item* items, std::size_t count, const Rules& rules, Parts* parts, int threads) {
  protocol::spread(count, threads, [&](std::size_t begin, std::size_t end) {
    RolloutScorer scorer(rules);
    for (std::size_t i = begin; i < end; ++i) parts[i] = scorer.score(items[i]);
  });
}

}  // namespace deepsport::reward
