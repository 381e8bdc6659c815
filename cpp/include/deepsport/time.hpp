// How long a call may take and how it is cancelled. Every loop that reads or decodes asks it.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>

#include "deepsport/error.hpp"

namespace deepsport {

/// A point in time after which work stops, plus a flag and a question that stop it earlier.
/// Copies share the flag. Safe to share between threads, except `interrupted`, which only the
/// thread that made the call asks.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  /// Never expires.
  Deadline() = default;
  /// Expires `seconds` from now; zero or less means never.
  static Deadline after(double seconds);

  /// Throw kTimeout or kCancelled, naming what was being done, when work must stop.
  void check(const char* doing) const;
  /// The same without throwing: kOk, kTimeout or kCancelled.
  Errc state() const noexcept;

  /// Stop from another thread.
  const std::atomic<bool>* cancel_flag = nullptr;
  /// Asked now and then by the calling thread, e.g. for Ctrl-C; true means stop.
  std::function<bool()> interrupted;
  /// Asked from callbacks and the calling thread only.
  void poll(const char* doing);

 private:
  Clock::time_point until_ = Clock::time_point::max();
  Clock::time_point next_poll_{};
  double seconds_ = 0;
};

}  // namespace deepsport
