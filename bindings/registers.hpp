// What each register_<module>.cpp offers to module.cpp.
#pragma once

#include <pybind11/pybind11.h>

namespace deepsport::bindings {

void register_cache(pybind11::module_& m);
void register_cuda(pybind11::module_& core);
void register_device(pybind11::module_& core);
void register_errors(pybind11::module_& m);
void register_frames(pybind11::module_& m);
void register_isolation(pybind11::module_& m);
void register_video(pybind11::module_& m);
void register_protocol(pybind11::module_& m);
void register_reward(pybind11::module_& m);

}  // namespace deepsport::bindings
