// Actions of the protocol from Python: a name, or (name, arguments, example).
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "deepsport/protocol.hpp"

namespace deepsport::bindings {

/// Read a sequence of (name, [(argument, kind, least, most, required)], example).
inline std::vector<protocol::Action> actions_of(const pybind11::sequence& sequence) {
  namespace py = pybind11;
  std::vector<protocol::Action> actions;
  for (const py::handle item : sequence) {
    const auto row = py::reinterpret_borrow<py::tuple>(item);
    protocol::Action action{row[0].cast<std::string>()};
    for (const py::handle each : row[1].cast<py::sequence>()) {
      const auto argument = py::reinterpret_borrow<py::tuple>(each);
      action.arguments.push_back({argument[0].cast<std::string>(),
                                  static_cast<protocol::ArgumentKind>(argument[1].cast<int>()),
                                  argument[2].cast<std::size_t>(), argument[3].cast<std::size_t>(),
                                  argument[4].cast<bool>()});
    }
    action.example = row[2].cast<std::string>();
    actions.push_back(std::move(action));
  }
  return actions;
}

}  // namespace deepsport::bindings
