// deepsport._core.protocol: texts in, tuples and arrays out. deepsport.protocol gives them names.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "actions.hpp"
#include "deepsport/protocol.hpp"
#include "registers.hpp"
#include "texts.hpp"

namespace py = pybind11;

namespace deepsport::bindings {
namespace {

using protocol::Form;
using protocol::JsonDocument;
using protocol::JsonKind;
using protocol::JsonNode;
using protocol::ParseOptions;
using protocol::Window;

py::str as_str(std::string_view text) {
  return py::str(text.data(), text.size());
}

py::object to_python(const JsonDocument& document, const JsonNode& node) {  // depth is bounded
  switch (node.kind) {
    case JsonKind::kNull: return py::none();
    case JsonKind::kFalse: return py::bool_(false);
    case JsonKind::kTrue: return py::bool_(true);
    case JsonKind::kInteger: return py::int_(node.integer);
    case JsonKind::kNumber: return py::float_(node.number);
    case JsonKind::kString: return as_str(document.text(node));
    case JsonKind::kArray: {
      py::list list;
      for (auto at = node.first_child; at != 0; at = document.node(at).next) {
        list.append(to_python(document, document.node(at)));
      }
      return list;
    }
    case JsonKind::kObject: {
      py::dict dict;
      for (auto at = node.first_child; at != 0; at = document.node(at).next) {
        const JsonNode& child = document.node(at);
        dict[as_str(document.key(child))] = to_python(document, child);
      }
      return dict;
    }
  }
  return py::none();
}

ParseOptions options_of(int form, bool require_think, const py::sequence& actions,
                        std::size_t max_bytes, int unit) {
  ParseOptions options;
  options.form = static_cast<Form>(form);
  options.require_think = require_think;
  options.actions = actions_of(actions);
  options.unit = static_cast<protocol::WindowUnit>(unit);
  options.max_bytes = max_bytes;
  return options;
}

py::tuple parse_turn(const py::object& text, int form, bool require_think,
                     const py::sequence& actions, std::size_t max_bytes, int unit) {
  const ParseOptions options = options_of(form, require_think, actions, max_bytes, unit);
  JsonDocument document;
  const auto turn = protocol::parse_turn(utf8_view(text), options, &document);
  const auto text_or_none = [](bool there, std::string_view part) -> py::object {
    return there ? py::object(as_str(part)) : py::none();
  };
  py::object arguments = py::none();
  if (turn.has_call) {
    py::dict all = to_python(document, *turn.arguments);
    if (options.form == Form::kPaper) all.attr("pop")("action");
    arguments = all;
  }
  return py::make_tuple(static_cast<int>(turn.reason), text_or_none(turn.has_think, turn.think),
                        text_or_none(turn.has_call, turn.name), arguments,
                        text_or_none(turn.has_answer, turn.answer),
                        as_str(protocol::describe(turn, options)));
}

py::tuple parse_batch(const py::sequence& texts, int form, bool require_think,
                      const py::sequence& actions, std::size_t max_bytes, int unit, int threads) {
  const ParseOptions options = options_of(form, require_think, actions, max_bytes, unit);
  const Texts views(texts);
  const auto count = static_cast<py::ssize_t>(views.size());
  py::array_t<std::int32_t> reason(count);
  py::array_t<std::int8_t> action(count);
  py::array_t<std::int64_t> frame_range({count, py::ssize_t{2}});
  py::array_t<std::int64_t> think({count, py::ssize_t{2}});
  py::array_t<std::int64_t> answer({count, py::ssize_t{2}});
  const protocol::TurnColumns out{reason.mutable_data(), action.mutable_data(),
                                  frame_range.mutable_data(), think.mutable_data(),
                                  answer.mutable_data()};
  {
    const py::gil_scoped_release release;
    protocol::parse_batch(views.data(), views.size(), options, out, threads);
  }
  return py::make_tuple(reason, action, frame_range, think, answer);
}

py::object final_answer(const py::object& text) {
  std::string_view answer;
  const std::string_view view = utf8_view(text);
  if (!protocol::is_valid_utf8(view) || !protocol::final_answer(view, &answer)) return py::none();
  return as_str(answer);
}

py::tuple check_window(std::int64_t start, std::int64_t end, std::int64_t frame_count,
                       const std::vector<std::pair<std::int64_t, std::int64_t>>& earlier,
                       std::int64_t min_span, std::int64_t repeat_slack, bool full_range_shown) {
  const protocol::WindowRules rules{min_span, repeat_slack, full_range_shown};
  std::vector<Window> windows;
  windows.reserve(earlier.size());
  for (const auto& [first, last] : earlier) windows.push_back({first, last});
  const Window asked{start, end};
  const auto verdict =
      protocol::check_window(asked, frame_count, windows.data(), windows.size(), rules);
  return py::make_tuple(static_cast<int>(verdict.reason), verdict.window.start, verdict.window.end,
                        verdict.clamped,
                        protocol::describe_window(verdict, asked, frame_count, rules));
}

}  // namespace

void register_protocol(py::module_& m) {
  py::module_ sub = m.def_submodule("protocol", "The text protocol between model and frame tool.");
  sub.def("parse_turn", &parse_turn, py::arg("text"), py::arg("form"), py::arg("require_think"),
          py::arg("actions"), py::arg("max_bytes"), py::arg("unit"));
  sub.def("parse_batch", &parse_batch, py::arg("texts"), py::arg("form"), py::arg("require_think"),
          py::arg("actions"), py::arg("max_bytes"), py::arg("unit"), py::arg("threads"));
  sub.def("final_answer", &final_answer, py::arg("text"));
  sub.def("check_window", &check_window, py::arg("start"), py::arg("end"), py::arg("frame_count"),
          py::arg("earlier"), py::arg("min_span"), py::arg("repeat_slack"),
          py::arg("full_range_shown"));
  sub.def(
      "window_indices",
      [](std::int64_t start, std::int64_t end, std::int64_t num) {
        return protocol::window_indices({start, end}, num);
      },
      py::arg("start"), py::arg("end"), py::arg("num"));
  sub.def("uniform_indices", &protocol::uniform_indices, py::arg("frame_count"), py::arg("num"));
  sub.def("reason_names", [] {
    py::dict names;
    for (int code = 0; code < 100; ++code) {
      const char* name = protocol::reason_name(static_cast<protocol::Reason>(code));
      if (name != nullptr) names[py::int_(code)] = name;
    }
    return names;
  });
}

}  // namespace deepsport::bindings
