#include "device/context.hpp"

#include <map>
#include <mutex>
#include <string>

namespace deepsport::device {

CUcontext primary_context(int ordinal) {
  static auto* mutex = new std::mutex;
  static auto* contexts = new std::map<int, CUcontext>;  // leaked: never released before exit
  const CudaFunctions& driver = cuda();
  const std::lock_guard<std::mutex> lock(*mutex);
  const auto known = contexts->find(ordinal);
  if (known != contexts->end()) return known->second;
  const int count = cuda_status().device_count;
  if (ordinal < 0 || ordinal >= count) {
    throw Error(Errc::kNoDevice,
                "device cuda:" + std::to_string(ordinal) + ": this machine has " +
                    std::to_string(count) +
                    " CUDA devices, valid are cuda:0..cuda:" + std::to_string(count - 1));
  }
  CUdevice device = 0;
  check(driver.device_get(&device, ordinal), "cuDeviceGet");
  CUcontext context = nullptr;
  check(driver.context_retain(&context, device), "cuDevicePrimaryCtxRetain");
  contexts->emplace(ordinal, context);
  return context;
}

}  // namespace deepsport::device
