// A Deadline that also hears Ctrl-C: only in Python's main thread, and only of the calling thread.
#pragma once

#include <pybind11/pybind11.h>

#include "deepsport/time.hpp"

namespace deepsport::bindings {

/// Zero or less means no limit. `cancel` is None or a threading.Event, and outlives the call. Made
/// with the GIL held; polled without it.
inline Deadline deadline_of(double seconds, const pybind11::object& cancel = pybind11::none()) {
  Deadline deadline = Deadline::after(seconds);
  // a plain pointer: deadlines are copied without the GIL
  deadline.interrupted = [event = cancel.is_none() ? nullptr : cancel.ptr()] {
    const pybind11::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
    return event != nullptr &&
           pybind11::reinterpret_borrow<pybind11::object>(event).attr("is_set")().cast<bool>();
  };
  return deadline;
}

}  // namespace deepsport::bindings
