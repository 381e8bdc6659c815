#include <mutex>
#include <set>

#include "cuda/allocation.hpp"
#include "deepsport/cuda.hpp"
#include "device/context.hpp"

namespace deepsport {

namespace {

auto* const kPerThread = reinterpret_cast<CUstream>(std::uintptr_t{2});  // CU_STREAM_PER_THREAD

}  // namespace

struct CudaMemory::State {
  explicit State(int at, std::size_t size)
      : ordinal(at), bytes(size), address(cuda::allocate(at, size, stream.get())) {}
  // Any thread, without the interpreter's lock: frees in the order of a stream, behind everything
  // that was queued so far on the streams that were told to read.
  ~State() {
    const device::CudaFunctions* driver = device::cuda_if_usable();
    if (driver == nullptr) return;
    for (const CUstream reader : readers) {
      // "The default stream of the calling thread" is another one here than where it was read.
      if (reader == kPerThread) {
        driver->context_synchronise();
      } else if (driver->event_record(ready.get(), reader) == CUDA_SUCCESS) {
        driver->stream_wait(stream.get(), ready.get(), 0);
      }
    }
    driver->release(address, stream.get());
  }
  int ordinal;
  std::size_t bytes;
  device::Stream stream;
  CUdeviceptr address;
  device::Event ready;
  std::mutex mutex;
  std::set<CUstream> readers;
};

CudaMemory::CudaMemory(std::unique_ptr<State> state) : state_(std::move(state)) {}

CudaMemory::~CudaMemory() {
  if (device::cuda_if_usable() == nullptr) return;
  try {
    const device::ContextGuard context(state_->ordinal);
    state_.reset();
  } catch (const Error&) {  // without a context there is nothing left to give back
  }
}

Result<std::shared_ptr<CudaMemory>> CudaMemory::allocate(int ordinal, std::size_t bytes) {
  try {
    const device::ContextGuard context(ordinal);
    auto state = std::make_unique<State>(ordinal, bytes == 0 ? 1 : bytes);
    return std::shared_ptr<CudaMemory>(new CudaMemory(std::move(state)));
  } catch (const Error& error) {
    return error;
  }
}

CudaTarget CudaMemory::target() const noexcept {
  return {state_->ordinal, state_->address, state_->bytes,
          reinterpret_cast<std::uintptr_t>(state_->stream.get())};
}

Result<bool> CudaMemory::filled() {
  try {
    const device::ContextGuard context(state_->ordinal);
    state_->ready.record(state_->stream.get());
    return true;
  } catch (const Error& error) {
    return error;
  }
}

Result<bool> CudaMemory::read_on(std::uint64_t stream) {
  try {
    const device::ContextGuard context(state_->ordinal);
    auto* reader = reinterpret_cast<CUstream>(static_cast<std::uintptr_t>(stream));
    device::check(device::cuda().stream_wait(reader, state_->ready.get(), 0), "cuStreamWaitEvent");
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->readers.insert(reader);
    return true;
  } catch (const Error& error) {
    return error;
  }
}

Result<bool> CudaMemory::copy_to(void* host) const {
  try {
    const device::ContextGuard context(state_->ordinal);
    const CUstream stream = state_->stream.get();
    device::check(device::cuda().copy_to_host(host, state_->address, state_->bytes, stream),
                  "cuMemcpyDtoHAsync");
    device::check(device::cuda().stream_synchronise(stream), "cuStreamSynchronize");
    return true;
  } catch (const Error& error) {
    return error;
  }
}

}  // namespace deepsport
