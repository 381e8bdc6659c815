// NumPy arguments and results: views with the shape in the error text, outputs that own memory.
#pragma once

#include <pybind11/numpy.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "deepsport/error.hpp"
#include "spare_memory.hpp"

namespace deepsport::bindings {

/// A one-dimensional NumPy array with the values of a vector.
template <typename To, typename From>
pybind11::array_t<To> to_array(const std::vector<From>& values) {
  pybind11::array_t<To> out(static_cast<pybind11::ssize_t>(values.size()));
  To* data = out.mutable_data();
  for (std::size_t i = 0; i < values.size(); ++i) data[i] = static_cast<To>(values[i]);
  return out;
}

/// Lengths as NumPy writes them, for messages: "(2, 3)".
inline std::string shape_text(const std::vector<pybind11::ssize_t>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  }
  return text + (shape.size() == 1 ? ",)" : ")");
}
inline std::string shape_text(const pybind11::array& array) {
  return shape_text({array.shape(), array.shape() + array.ndim()});
}

/// An array without values at an address that is a multiple of 64: what JAX takes without a copy,
/// and what whole cache lines are written to. Not NumPy's memory, which lies on multiples of 16 and
/// asks for huge pages: where memory is in pieces, making those takes longer than converting the
/// frames.
inline pybind11::array aligned_array(const pybind11::dtype& type,
                                     const std::vector<pybind11::ssize_t>& shape) {
  auto bytes = static_cast<std::size_t>(type.itemsize());
  bool is_too_much = false;
  for (const pybind11::ssize_t length : shape) {
    const auto many = static_cast<std::size_t>(length);
    is_too_much = is_too_much || (many > 0 && bytes > PTRDIFF_MAX / 2 / many);
    bytes *= many;
  }
  auto memory = std::make_unique<Memory>();
  if (!is_too_much) {
    const pybind11::gil_scoped_release unlocked;  // making many pages takes a while
    *memory = take_memory(bytes);
  }
  if (memory->data == nullptr) {
    throw Error(Errc::kLimit, std::to_string(bytes) +
                                  " bytes for pictures: the system has no such memory to give; "
                                  "valid are fewer or smaller frames at a time");
  }
  void* const data = memory->data;
  const pybind11::capsule owner(memory.release(), [](void* held) {
    const std::unique_ptr<Memory> own(static_cast<Memory*>(held));
    let_go(*own);
  });
  return {type, shape, data, owner};
}

}  // namespace deepsport::bindings
