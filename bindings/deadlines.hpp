// A Deadline that also hears Ctrl-C: only in Python's main thread, and only of the calling thread.
#pragma once

#include <pybind11/pybind11.h>

#include "deepsport/time.hpp"

namespace deepsport::bindings {

/// Zero or less means no limit. Made with the GIL held; polled without it.
inline Deadline deadline_of(double seconds) {
  Deadline deadline = Deadline::after(seconds);
  deadline.interrupted = [] {
    const pybind11::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
    return false;
  };
  return deadline;
}

}  // namespace deepsport::bindings
