// deepsport._core.reward: rows in, a dict of arrays out. deepsport.reward builds the rows.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <deque>
#include <string>
#include <utility>

#include "actions.hpp"
#include "deepsport/reward.hpp"
#include "registers.hpp"
#include "texts.hpp"

namespace py = pybind11;

namespace deepsport::bindings {
namespace {

using protocol::Window;
using reward::Item;
using reward::Parts;
using reward::Span;

std::vector<std::string_view> views_of(const py::handle& sequence) {
  std::vector<std::string_view> views;
  for (const py::handle text : py::reinterpret_borrow<py::sequence>(sequence)) {
    views.push_back(utf8_view(text));
  }
  return views;
}

template <typename Pair, typename Number>
std::vector<Pair> pairs_of(const py::handle& sequence) {
  std::vector<Pair> pairs;
  for (const py::handle pair : py::reinterpret_borrow<py::sequence>(sequence)) {
    const auto [first, second] = pair.cast<std::pair<Number, Number>>();
    pairs.push_back({first, second});
  }
  return pairs;
}

/// A row of deepsport.reward.rollout.core_row, in that order.
Item item_of(const py::tuple& row, std::deque<std::vector<std::string_view>>* turns) {
  std::size_t next = 0;
  const auto field = [&row, &next]() -> py::object { return row[next++]; };
  Item item;
  turns->push_back(views_of(field()));
  item.turns = turns->back().data();
  item.turn_count = turns->back().size();
  item.kind = static_cast<reward::Kind>(field().cast<int>());
  item.letters = field().cast<std::uint32_t>();
  item.yes = field().cast<bool>();
  item.value = field().cast<double>();
  item.tolerance = field().cast<double>();
  item.scale_low = field().cast<double>();
  item.scale_high = field().cast<double>();
  item.seconds = field().cast<bool>();
  item.spans = pairs_of<Span, double>(field());
  item.labels = views_of(field());
  item.references = views_of(field());
  item.options = views_of(field());
  item.frame_count = field().cast<std::int64_t>();
  item.calls = field().cast<std::int64_t>();
  for (const py::handle said : py::reinterpret_borrow<py::sequence>(field())) {
    item.verdicts.push_back(static_cast<protocol::Reason>(said.cast<std::int32_t>()));
  }
  if (const py::object windows = field(); !windows.is_none()) {
    item.windows_given = true;
    item.windows = pairs_of<Window, std::int64_t>(windows);
  }
  item.evidence = pairs_of<Window, std::int64_t>(field());
  item.accuracy = field().cast<double>();
  if (const py::object shown = field(); !shown.is_none()) {
    item.shown_given = true;
    for (const py::handle frame : py::reinterpret_borrow<py::sequence>(shown)) {
      item.shown.push_back(frame.cast<std::int64_t>());
    }
  }
  return item;
}

/// One member of every row's Parts as an array.
template <typename T, typename Member>
py::array_t<T> column(const std::vector<Parts>& parts, Member Parts::* member) {
  py::array_t<T> out(static_cast<py::ssize_t>(parts.size()));
  T* data = out.mutable_data();
  for (std::size_t i = 0; i < parts.size(); ++i) data[i] = static_cast<T>(parts[i].*member);
  return out;
}

py::dict score(const py::list& rows, int form, bool require_think, const py::sequence& actions,
               int unit, std::size_t max_bytes, std::int64_t min_span, std::int64_t repeat_slack,
               bool full_range_shown, std::int64_t frames_per_call, int threads) {
  reward::Rules rules;
  rules.parse.form = static_cast<protocol::Form>(form);
  rules.parse.require_think = require_think;
  rules.parse.actions = actions_of(actions);
  rules.parse.unit = static_cast<protocol::WindowUnit>(unit);
  rules.parse.max_bytes = max_bytes;
  rules.window = {min_span, repeat_slack, full_range_shown};
  rules.frames_per_call = frames_per_call;
  std::vector<Item> items;
  std::deque<std::vector<std::string_view>> turns;
  items.reserve(rows.size());
  for (const py::handle row : rows) {
    items.push_back(item_of(py::reinterpret_borrow<py::tuple>(row), &turns));
  }
  std::vector<Parts> parts(items.size());
  {
    const py::gil_scoped_release release;
    reward::score(items.data(), items.size(), rules, parts.data(), threads);
  }
  py::dict out;
  out["accuracy"] = column<double>(parts, &Parts::accuracy);
  out["exact"] = column<double>(parts, &Parts::exact);
  out["token_f1"] = column<double>(parts, &Parts::token_f1);
  out["rouge_l"] = column<double>(parts, &Parts::rouge_l);
  out["tiou"] = column<double>(parts, &Parts::tiou);
  out["evidence_iou"] = column<double>(parts, &Parts::evidence_iou);
  out["window_share"] = column<double>(parts, &Parts::window_share);
  out["calls"] = column<std::int64_t>(parts, &Parts::calls);
  out["window_frames"] = column<std::int64_t>(parts, &Parts::window_frames);
  out["shortest_window"] = column<std::int64_t>(parts, &Parts::shortest_window);
  out["reason"] = column<std::int32_t>(parts, &Parts::reason);
  out["reason_turn"] = column<std::int32_t>(parts, &Parts::reason_turn);
  out["text_reason"] = column<std::int32_t>(parts, &Parts::text_reason);
  out["rule"] = column<std::int8_t>(parts, &Parts::rule);
  out["answered"] = column<bool>(parts, &Parts::answered);
  out["thought"] = column<bool>(parts, &Parts::thought);
  out["window_hit"] = column<bool>(parts, &Parts::window_hit);
  out["ranges_in_thought"] = column<bool>(parts, &Parts::ranges_in_thought);
  out["consistent"] = column<std::int8_t>(parts, &Parts::consistent);
  return out;
}

py::array_t<double> compare(int measure, const py::sequence& answers,
                            const py::sequence& references, int threads) {
  const Texts one(answers), other(references);
  py::array_t<double> out(static_cast<py::ssize_t>(one.size()));
  double* data = out.mutable_data();
  const py::gil_scoped_release release;
  reward::compare(static_cast<reward::Measure>(measure), one.data(), other.data(), one.size(), data,
                  threads);
  return out;
}

py::tuple read_letters(const py::object& answer, bool several, const py::sequence& options) {
  const auto views = views_of(options);
  const auto letters = reward::read_letters(utf8_view(answer), several, views.data(), views.size());
  return py::make_tuple(letters.mask, static_cast<int>(letters.rule));
}

py::object read_spans(const py::object& text) {
  std::vector<Span> spans;
  if (!reward::read_spans(utf8_view(text), &spans)) return py::none();
  std::vector<std::pair<double, double>> out;
  for (const Span& span : spans) out.emplace_back(span.start, span.stop);
  return py::cast(out);
}

py::array_t<double> advantages(const py::array_t<double, py::array::c_style>& rewards,
                               const py::array_t<std::int64_t, py::array::c_style>& group,
                               const py::array_t<bool, py::array::c_style>& masked,
                               std::size_t group_count, int scheme, double epsilon) {
  py::array_t<double> out(rewards.size());
  double* data = out.mutable_data();
  const double* reward_data = rewards.data();
  const std::int64_t* group_data = group.data();
  const bool* masked_data = masked.data();
  const auto count = static_cast<std::size_t>(rewards.size());
  const py::gil_scoped_release release;
  reward::advantages(reward_data, group_data, masked_data, count, group_count,
                     static_cast<reward::Scheme>(scheme), epsilon, data);
  return out;
}

}  // namespace

void register_reward(py::module_& m) {
  py::module_ sub = m.def_submodule("reward", "Batched rewards; use deepsport.reward instead.");
  sub.def("score", &score, py::arg("rows"), py::arg("form"), py::arg("require_think"),
          py::arg("actions"), py::arg("unit"), py::arg("max_bytes"), py::arg("min_span"),
          py::arg("repeat_slack"), py::arg("full_range_shown"), py::arg("frames_per_call"),
          py::arg("threads"));
  sub.def("compare", &compare, py::arg("measure"), py::arg("answers"), py::arg("references"),
          py::arg("threads"));
  sub.def("read_letters", &read_letters, py::arg("answer"), py::arg("several"), py::arg("options"));
  sub.def(
      "read_numbers",
      [](const py::object& text, bool signs, bool thousands, bool clock) {
        std::vector<double> numbers;
        reward::read_numbers(utf8_view(text), {signs, thousands, clock}, &numbers);
        return numbers;
      },
      py::arg("text"), py::arg("signs"), py::arg("thousands"), py::arg("clock"));
  sub.def("read_spans", &read_spans, py::arg("text"));
  sub.def(
      "span_iou",
      [](const py::sequence& one, const py::sequence& other) {
        return reward::span_iou(pairs_of<Span, double>(one), pairs_of<Span, double>(other));
      },
      py::arg("one"), py::arg("other"));
  sub.def("advantages", &advantages, py::arg("rewards"), py::arg("group"), py::arg("masked"),
          py::arg("group_count"), py::arg("scheme"), py::arg("epsilon"));
}

}  // namespace deepsport::bindings
