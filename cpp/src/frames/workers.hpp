// A few threads that share numbered pieces of work, the calling thread among them.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <optional>

#include "deepsport/time.hpp"

namespace deepsport {

/// @throws Error kInvalidArgument unless `threads` is 1..64.
void check_threads(int threads);

/// Hands out the numbers of pieces, each once, until all are gone or work must stop.
class Pieces {
 public:
  explicit Pieces(std::size_t count) : count_(count) {}
  std::optional<std::size_t> next() {
    if (stop_.load(std::memory_order_relaxed)) return std::nullopt;
    const std::size_t piece = next_.fetch_add(1);
    return piece < count_ ? std::optional<std::size_t>(piece) : std::nullopt;
  }
  void stop() {
    stop_ = true;
  }
  bool stopped() const {
    return stop_.load(std::memory_order_relaxed);
  }

 private:
  std::size_t count_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> stop_{false};
};

/// What one thread does until there are no more pieces; `worker` counts from 0, the calling thread.
using Work = std::function<void(int worker, Pieces& pieces, Deadline& deadline)>;

/// Run `work` in `workers` threads and wait for all. The first exception stops the others and is
/// thrown again here; `deadline` is polled by the calling thread to the end.
void run_workers(int workers, std::size_t pieces, const Deadline& deadline, const Work& work);

}  // namespace deepsport
