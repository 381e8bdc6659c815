#include "device/driver.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include "device/kernels.hpp"

namespace deepsport::device {
namespace {

struct Driver {
  CudaStatus status;
  CudaFunctions cuda;
  NvdecFunctions nvdec;
  pid_t process = ::getpid();
};

// Both loaders return the reason they failed, or nothing.
std::string load_cuda(Driver& driver) {
  void* library = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return std::string("there is no NVIDIA driver here (") + ::dlerror() + ")";
  }
#define X(member, name, type)                                           \
  driver.cuda.member = reinterpret_cast<type*>(::dlsym(library, name)); \
  if (driver.cuda.member == nullptr) {                                  \
    return "the NVIDIA driver is too old: libcuda.so.1 has no " name    \
           "; valid is a driver for CUDA 11.2 or newer";                \
  }
  DEEPSPORT_CUDA_FUNCTIONS(X)
#undef X
  int count = 0;
  CUresult result = driver.cuda.init(0);
  if (result == CUDA_SUCCESS) result = driver.cuda.device_count(&count);
  if (result != CUDA_SUCCESS || count == 0) {
    const char* name = nullptr;
    driver.cuda.error_name(result, &name);
    return std::string("the NVIDIA driver sees no CUDA device (cuInit and cuDeviceGetCount say ") +
           (result == CUDA_SUCCESS ? "0 devices"
            : name != nullptr      ? name
                                   : "an unknown error") +
           ")";
  }
  driver.status.device_count = count;
  driver.cuda.driver_version(&driver.status.driver_version);
  return {};
}

std::string load_nvdec(Driver& driver) {
  void* library = ::dlopen("libnvcuvid.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return std::string("there is no NVDEC library (") + ::dlerror() +
           "); in containers set NVIDIA_DRIVER_CAPABILITIES=compute,video,utility";
  }
#define X(member, name, type)                                            \
  driver.nvdec.member = reinterpret_cast<type*>(::dlsym(library, name)); \
  if (driver.nvdec.member == nullptr) {                                  \
    return "the NVDEC library is too old: libnvcuvid.so.1 has no " name; \
  }
  DEEPSPORT_NVDEC_FUNCTIONS(X)
#undef X
  return {};
}

// Loaded at the first call, never at import, and leaked: nothing may call a driver from static
// destructors, and a driver must not be dlclosed.
const Driver& loaded() {
  static const Driver* driver = [] {
    auto* made = new Driver;
    CudaStatus& status = made->status;
    status.kernels = has_kernels();
    if (!status.kernels) {
      status.why_no_kernels =
          "this build has no CUDA kernels: nvcc was not found or older than 12.8 when it was "
          "built, "
          "or DEEPSPORT_CUDA was OFF";
    }
    status.why_no_driver = load_cuda(*made);
    status.driver = status.why_no_driver.empty();
    status.why_no_nvdec = status.driver ? load_nvdec(*made) : status.why_no_driver;
    status.nvdec = status.why_no_nvdec.empty();
    return made;
  }();
  return *driver;
}

bool forked() noexcept {
  return loaded().status.driver && loaded().process != ::getpid();
}

constexpr const char* kForked =
    "CUDA was used before fork(), and a forked child cannot use it; valid are worker processes "
    "started by 'spawn' or 'forkserver'";

const Driver& usable() {
  if (forked()) throw Error(Errc::kForked, kForked);
  return loaded();
}

}  // namespace

const CudaFunctions* cuda_if_usable() noexcept {
  return loaded().status.driver && !forked() ? &loaded().cuda : nullptr;
}

const NvdecFunctions* nvdec_if_usable() noexcept {
  return loaded().status.nvdec && !forked() ? &loaded().nvdec : nullptr;
}

const CudaFunctions& cuda() {
  const Driver& driver = usable();
  if (!driver.status.driver) {
    throw Error(Errc::kNoDevice, "device cuda: " + driver.status.why_no_driver + "; valid is cpu");
  }
  return driver.cuda;
}

const NvdecFunctions& nvdec() {
  const Driver& driver = usable();
  if (!driver.status.nvdec) {
    throw Error(Errc::kNoDevice,
                "decoding on cuda: " + driver.status.why_no_nvdec + "; valid is cpu");
  }
  return driver.nvdec;
}

std::string error_name(CUresult result) {
  const char* name = nullptr;
  cuda().error_name(result, &name);
  return name != nullptr ? name : "CUDA error " + std::to_string(static_cast<int>(result));
}

void check(CUresult result, const char* doing) {
  if (result == CUDA_SUCCESS) return;
  const char* words = nullptr;
  cuda().error_text(result, &words);
  throw Error(Errc::kDevice, std::string(doing) + ": " + error_name(result) + " (" +
                                 (words != nullptr ? words : "the driver has no words for it") +
                                 ")");
}

}  // namespace deepsport::device

namespace deepsport {

CudaStatus cuda_status() {
  CudaStatus status = device::loaded().status;
  if (device::forked()) {
    status.driver = status.nvdec = false;
    status.device_count = 0;
    status.why_no_driver = status.why_no_nvdec = device::kForked;
  }
  return status;
}

}  // namespace deepsport
