#include "device/kernels.hpp"

#include <map>
#include <mutex>
#include <string>
#include <utility>

// Made by embed.cmake, or no_fatbin.c in a build without nvcc.
extern "C" const unsigned long long deepsport_fatbin[];
extern "C" const int deepsport_has_fatbin;

namespace deepsport::device {
namespace {

struct Loaded {
  std::mutex mutex;
  std::map<int, CUmodule> modules;
  std::map<std::pair<int, std::string>, CUfunction> functions;
};

// Leaked: modules live as long as the primary context they are in.
Loaded& loaded() {
  static auto* made = new Loaded;
  return *made;
}

CUmodule load_module(int ordinal) {
  CUmodule module = nullptr;
  const CUresult result = cuda().module_load(&module, deepsport_fatbin);
  // 209: no binary for this GPU, 222: PTX newer than the driver, 218: PTX the driver rejects.
  const int code = static_cast<int>(result);
  if (code == 209 || code == 222 || code == 218) {
    throw Error(Errc::kNoDevice,
                "loading deepsport's kernels on cuda:" + std::to_string(ordinal) + ": " +
                    error_name(result) +
                    ", the driver is too old for this build or the GPU too old for it; valid are "
                    "GPUs of compute capability 8.0 or newer with a driver for CUDA 13");
  }
  check(result, "cuModuleLoadData");
  return module;
}

}  // namespace

bool has_kernels() noexcept {
  return deepsport_has_fatbin != 0;
}

CUfunction kernel(int ordinal, const char* name) {
  if (!has_kernels()) {
    throw Error(Errc::kNoDevice, std::string("kernel ") + name + ": " +
                                     cuda_status().why_no_kernels +
                                     "; valid is the CPU, or a build with nvcc");
  }
  Loaded& all = loaded();
  const std::lock_guard<std::mutex> lock(all.mutex);
  CUfunction& function = all.functions[{ordinal, name}];
  if (function == nullptr) {
    CUmodule& module = all.modules[ordinal];
    if (module == nullptr) module = load_module(ordinal);
    CUfunction found = nullptr;
    check(cuda().module_function(&found, module, name), name);
    function = found;
  }
  return function;
}

}  // namespace deepsport::device
