// Host memory the device can copy from without a detour, for what the CPU decodes on its way up.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <new>

#include "device/driver.hpp"

namespace deepsport::cuda {

/// Pinned memory, or plain memory where the driver has none to give. The context of some device is
/// current where it is made and where it goes; copies from it must be over by then.
class PinnedMemory {
 public:
  explicit PinnedMemory(std::size_t bytes) {
    pinned_ = device::cuda().host_allocate(&memory_, bytes, 0) == CUDA_SUCCESS;
    if (!pinned_) memory_ = std::malloc(bytes);
    if (memory_ == nullptr) throw std::bad_alloc();
  }
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;
  ~PinnedMemory() {
    const device::CudaFunctions* driver = device::cuda_if_usable();
    if (!pinned_) {
      std::free(memory_);
    } else if (driver != nullptr) {
      driver->host_release(memory_);
    }
  }
  std::uint8_t* get() const noexcept {
    return static_cast<std::uint8_t*>(memory_);
  }

 private:
  void* memory_ = nullptr;
  bool pinned_ = false;
};

}  // namespace deepsport::cuda
