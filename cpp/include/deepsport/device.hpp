// Which devices deepsport can use here and, for each thing it cannot, one sentence that says why.
// Nothing of CUDA is touched before the first call; pictures on a device are made by cuda.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "deepsport/error.hpp"

namespace deepsport {

/// Where pictures or tensors live.
struct Device {
  enum class Kind { kCpu, kCuda };
  Kind kind = Kind::kCpu;
  int ordinal = 0;  ///< which CUDA device; 0 for the CPU
};

/// Read "cpu", "cuda" or "cuda:N". Code: kInvalidArgument. Does not ask whether it exists.
Result<Device> parse_device(const std::string& text);

/// What a CUDA device is and what its video engine decodes.
struct CudaDevice {
  std::string name;
  int compute_major = 0, compute_minor = 0;
  std::uint64_t memory_bytes = 0;
  std::vector<std::string> codecs;  ///< e.g. "hevc 10 bit 4:2:0"; empty without NVDEC
};

/// What the CUDA path consists of; each missing piece comes with its reason.
struct CudaStatus {
  bool kernels = false;    ///< this build carries device code
  bool driver = false;     ///< libcuda was found, has every function, and sees a device
  bool nvdec = false;      ///< libnvcuvid was found and has every function
  int driver_version = 0;  ///< CUDA version of the driver, 1000 * major + 10 * minor
  int device_count = 0;
  std::string why_no_kernels, why_no_driver, why_no_nvdec;  ///< empty when present

  bool decodes() const noexcept {
    return kernels && driver && nvdec;
  }
  /// One sentence: the first piece that is missing. Empty when decodes().
  const std::string& why_not() const noexcept {
    return !kernels ? why_no_kernels : !driver ? why_no_driver : why_no_nvdec;
  }
};

/// Look for the driver at the first call, remember the answer. Never throws. In a child of fork()
/// whose parent used CUDA the answer is "no driver", with that reason.
CudaStatus cuda_status();

/// Facts of one device. Codes: kNoDevice, kForked, kDevice.
Result<CudaDevice> cuda_device(int ordinal);

}  // namespace deepsport
