#include <cstdlib>
#include <new>

#include "deepsport/cuda.hpp"
#include "device/context.hpp"

namespace deepsport {

Result<std::shared_ptr<PinnedMemory>> PinnedMemory::allocate(int ordinal, std::size_t bytes) {
  try {
    bytes = bytes == 0 ? 1 : bytes;
    std::shared_ptr<PinnedMemory> made(new PinnedMemory(ordinal, bytes));
    const device::ContextGuard context(ordinal);
    made->is_pinned_ = device::cuda().host_allocate(&made->data_, bytes, 0) == CUDA_SUCCESS;
    if (!made->is_pinned_) made->data_ = std::malloc(bytes);
    if (made->data_ == nullptr) {
      return Error(Errc::kLimit, "pinned memory of " + std::to_string(bytes) +
                                     " bytes: neither the driver nor the system has that much; "
                                     "valid are fewer or smaller frames at a time");
    }
    return made;
  } catch (const Error& error) {
    return error;
  }
}

// The driver waits for copies from it that are still queued.
PinnedMemory::~PinnedMemory() {
  if (!is_pinned_) {
    std::free(data_);
    return;
  }
  const device::CudaFunctions* driver = device::cuda_if_usable();
  if (driver == nullptr) return;  // a forked child: it is the parent's
  try {
    const device::ContextGuard context(ordinal_);
    driver->host_release(data_);
  } catch (const Error&) {  // without a context there is nothing left to give back
  }
}

}  // namespace deepsport
