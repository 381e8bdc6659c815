// Contexts, streams and events that are given back whatever happens. The primary context only: it
// is the one torch and every other library of the process uses.
#pragma once

#include <utility>

#include "device/driver.hpp"

namespace deepsport::device {

/// The primary context of a device, retained once per process.
/// @throws Error kNoDevice for an ordinal the machine does not have, kForked, kDevice.
CUcontext primary_context(int ordinal);

/// Makes a device's primary context current in this thread, and puts back what was current before.
class ContextGuard {
 public:
  explicit ContextGuard(int ordinal) {
    check(cuda().context_push(primary_context(ordinal)), "cuCtxPushCurrent");
  }
  ~ContextGuard() {
    CUcontext popped = nullptr;
    if (const CudaFunctions* driver = cuda_if_usable()) driver->context_pop(&popped);
  }
  ContextGuard(const ContextGuard&) = delete;
  ContextGuard& operator=(const ContextGuard&) = delete;
};

/// An event without timing. Its device's context must be current for every call.
class Event {
 public:
  Event() {
    constexpr unsigned kDisableTiming = 2;
    check(cuda().event_create(&handle_, kDisableTiming), "cuEventCreate");
  }
  Event(Event&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Event& operator=(Event&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Event() {
    const CudaFunctions* driver = cuda_if_usable();
    if (handle_ != nullptr && driver != nullptr) driver->event_destroy(handle_);
  }
  void record(CUstream stream) {
    check(cuda().event_record(handle_, stream), "cuEventRecord");
  }
  void synchronise() {
    check(cuda().event_synchronise(handle_), "cuEventSynchronize");
  }
  CUevent get() const noexcept {
    return handle_;
  }

 private:
  CUevent handle_ = nullptr;
};

/// A stream that does not wait for the legacy default stream.
class Stream {
 public:
  Stream() {
    constexpr unsigned kNonBlocking = 1;
    check(cuda().stream_create(&handle_, kNonBlocking), "cuStreamCreate");
  }
  Stream(Stream&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Stream& operator=(Stream&&) = delete;
  ~Stream() {
    const CudaFunctions* driver = cuda_if_usable();
    if (handle_ != nullptr && driver != nullptr) driver->stream_destroy(handle_);
  }
  CUstream get() const noexcept {
    return handle_;
  }

 private:
  CUstream handle_ = nullptr;
};

}  // namespace deepsport::device
