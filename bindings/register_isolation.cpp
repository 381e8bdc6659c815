// Confinement of the process that decodes files nobody trusts.
#include "deepsport/isolation.hpp"
#include "registers.hpp"

namespace deepsport::bindings {

void register_isolation(pybind11::module_& m) {
  auto sub = m.def_submodule("isolation", "Giving up what a decoder does not need.");
  sub.def("confine_this_thread", &confine_this_thread);
}

}  // namespace deepsport::bindings
