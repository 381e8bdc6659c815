// Facts about this build and the devices of this machine.
#include <pybind11/stl.h>

#include "deepsport/build.hpp"
#include "deepsport/device.hpp"
#include "registers.hpp"

namespace py = pybind11;

namespace deepsport::bindings {

void register_device(py::module_& core) {
  py::module_ m = core.def_submodule("device");
  m.def("build_facts", [] {
    const BuildFacts facts = build_facts();
    py::dict result;
    result["ffmpeg"] = facts.ffmpeg;
    result["ffmpeg_license"] = facts.ffmpeg_license;
    result["decoders"] = facts.decoders;
    result["missing_decoders"] = facts.missing_decoders;
    result["instruction_sets"] = facts.instruction_sets;
    return result;
  });
  m.def("cuda_status", [] {
    CudaStatus status;
    {
      const py::gil_scoped_release unlocked;  // the first call loads a driver
      status = cuda_status();
    }
    py::dict result;
    result["kernels"] = status.kernels;
    result["driver"] = status.driver;
    result["nvdec"] = status.nvdec;
    result["driver_version"] = status.driver_version;
    result["device_count"] = status.device_count;
    result["why_no_kernels"] = status.why_no_kernels;
    result["why_no_driver"] = status.why_no_driver;
    result["why_no_nvdec"] = status.why_no_nvdec;
    return result;
  });
  m.def(
      "cuda_device",
      [](int ordinal) {
        CudaDevice facts;
        {
          const py::gil_scoped_release unlocked;
          facts = cuda_device(ordinal).value();
        }
        py::dict result;
        result["name"] = facts.name;
        result["compute"] = py::make_tuple(facts.compute_major, facts.compute_minor);
        result["memory_bytes"] = facts.memory_bytes;
        result["codecs"] = facts.codecs;
        return result;
      },
      py::arg("ordinal"));
  m.def(
      "parse_device",
      [](const std::string& text) {
        const Device device = parse_device(text).value();
        return py::make_tuple(device.kind == Device::Kind::kCuda ? "cuda" : "cpu", device.ordinal);
      },
      py::arg("text"));
}

}  // namespace deepsport::bindings
