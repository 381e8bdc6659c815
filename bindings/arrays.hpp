// NumPy arguments and results: views with the shape in the error text, outputs that own memory.
#pragma once

#include <pybind11/numpy.h>

#include <cstdint>
#include <vector>

#include "deepsport/error.hpp"

namespace deepsport::bindings {

/// A one-dimensional NumPy array with the values of a vector.
template <typename To, typename From>
pybind11::array_t<To> to_array(const std::vector<From>& values) {
  pybind11::array_t<To> out(static_cast<pybind11::ssize_t>(values.size()));
  To* data = out.mutable_data();
  for (std::size_t i = 0; i < values.size(); ++i) data[i] = static_cast<To>(values[i]);
  return out;
}

}  // namespace deepsport::bindings
