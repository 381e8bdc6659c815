// The extension module: one register_<module> per module of the core, nothing more.
#include "registers.hpp"

PYBIND11_MODULE(_core, m) {
  m.doc() = "deepsport's C++ core; use the Python modules of the same names instead.";
  deepsport::bindings::register_errors(m);
  deepsport::bindings::register_video(m);
  deepsport::bindings::register_frames(m);
  deepsport::bindings::register_cache(m);
  deepsport::bindings::register_isolation(m);
  deepsport::bindings::register_device(m);
  deepsport::bindings::register_cuda(m);
  deepsport::bindings::register_protocol(m);
  deepsport::bindings::register_reward(m);
}
