// Spreads a batch over a few threads in chunks. The caller's thread works too, so one thread means
// no thread is started.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace deepsport::protocol {

/// Call work(begin, end) until [0, count) is covered; rethrows the first exception of any chunk.
template <typename Work>
void spread(std::size_t count, int threads, Work&& work) {
  constexpr std::size_t kChunk = 16;
  const std::size_t chunks = (count + kChunk - 1) / kChunk;
  const std::size_t wanted = std::min(static_cast<std::size_t>(std::max(threads, 1)), chunks);
  if (wanted <= 1) {
    if (count > 0) work(std::size_t{0}, count);
    return;
  }
  std::atomic<std::size_t> next{0};
  std::exception_ptr raised;
  std::mutex raised_mutex;
  const auto run = [&] {
    try {
      for (std::size_t chunk = next++; chunk < chunks; chunk = next++) {
        work(chunk * kChunk, std::min(count, (chunk + 1) * kChunk));
      }
    } catch (...) {
      const std::lock_guard<std::mutex> hold(raised_mutex);
      if (!raised) raised = std::current_exception();
      next = chunks;
    }
  };
  std::vector<std::thread> pool;
  pool.reserve(wanted - 1);
  try {
    for (std::size_t i = 1; i < wanted; ++i) pool.emplace_back(run);
  } catch (const std::system_error&) {
    // Fewer threads than asked for: the work is done all the same.
  }
  run();
  for (std::thread& thread : pool) thread.join();
  if (raised) std::rethrow_exception(raised);
}

}  // namespace deepsport::protocol
