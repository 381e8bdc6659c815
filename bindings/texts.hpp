// Python strings as UTF-8 views that stay valid while the GIL is released.
#pragma once

#include <pybind11/pybind11.h>

#include <string_view>
#include <vector>

namespace deepsport::bindings {

/// A str that has no UTF-8 form (lone surrogates); a byte that never occurs in valid UTF-8.
inline constexpr std::string_view kNotUtf8 = "\xff";

/// View of a str or bytes, owned by `object`. TypeError for anything else.
inline std::string_view utf8_view(pybind11::handle object) {
  if (PyUnicode_Check(object.ptr())) {
    Py_ssize_t size = 0;
    const char* data = PyUnicode_AsUTF8AndSize(object.ptr(), &size);
    if (data == nullptr) {
      if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) throw pybind11::error_already_set();
      PyErr_Clear();
      return kNotUtf8;
    }
    return {data, static_cast<std::size_t>(size)};
  }
  if (PyBytes_Check(object.ptr())) {
    return {PyBytes_AS_STRING(object.ptr()),
            static_cast<std::size_t>(PyBytes_GET_SIZE(object.ptr()))};
  }
  throw pybind11::type_error("text: expected str or bytes, found " +
                             std::string(Py_TYPE(object.ptr())->tp_name));
}

/// A sequence of texts: holds the strings, offers the views.
class Texts {
 public:
  explicit Texts(const pybind11::sequence& sequence) {
    const std::size_t count = sequence.size();
    owners_.reserve(count);
    views_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      owners_.push_back(sequence[i]);
      views_.push_back(utf8_view(owners_.back()));
    }
  }
  const std::string_view* data() const {
    return views_.data();
  }
  std::size_t size() const {
    return views_.size();
  }

 private:
  std::vector<pybind11::object> owners_;
  std::vector<std::string_view> views_;
};

}  // namespace deepsport::bindings
