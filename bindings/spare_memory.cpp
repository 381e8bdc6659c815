#include "spare_memory.hpp"

#include <pthread.h>
#include <sys/mman.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <mutex>

namespace deepsport::bindings {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kAlignment = 64;
constexpr std::size_t kLeast = std::size_t{1} << 20;  // smaller ones malloc keeps itself

class Spares {
 public:
  // What is nearly as long as was asked for: frames of one video are asked for again and again,
  // and nobody holds more memory than new memory would have been, but for an eighth.
  Memory take(std::size_t bytes) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    drop_old();
    Spare* best = nullptr;
    for (Spare& spare : spares_) {
      const bool fits = spare.memory.bytes >= bytes && spare.memory.bytes - bytes <= bytes / 8;
      if (fits && (best == nullptr || spare.since > best->since)) best = &spare;
    }
    if (best == nullptr) return {};
    const Memory found = best->memory;
    best->memory = {};
    return found;
  }

  void keep(Memory memory) noexcept {
    if (memory.bytes < kLeast || memory.bytes > kMostSpareBytes) return std::free(memory.data);
    const std::lock_guard<std::mutex> lock(mutex_);
    drop_old();
    Spare* place = &spares_.front();  // an empty one, or else that of the oldest
    for (Spare& spare : spares_) {
      if (spare.rank() < place->rank()) place = &spare;
    }
    drop(*place);
    while (memory.bytes > kMostSpareBytes - kept()) drop_oldest();
    *place = {memory, Clock::now()};
  }

  std::size_t release() noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    const std::size_t bytes = kept();
    for (Spare& spare : spares_) drop(spare);
    return bytes;
  }

  // No other thread may be in the middle of a change when a process is copied.
  void lock() noexcept {
    mutex_.lock();
  }
  void unlock() noexcept {
    mutex_.unlock();
  }

 private:
  struct Spare {
    Memory memory;
    Clock::time_point since;
    Clock::time_point rank() const noexcept {
      return memory.data == nullptr ? Clock::time_point::min() : since;
    }
  };

  static void drop(Spare& spare) noexcept {
    std::free(spare.memory.data);
    spare.memory = {};
  }
  void drop_old() noexcept {
    const auto now = Clock::now();
    for (Spare& spare : spares_) {
      if (now - spare.since > std::chrono::seconds(kSpareSeconds)) drop(spare);
    }
  }
  void drop_oldest() noexcept {
    Spare* oldest = nullptr;
    for (Spare& spare : spares_) {
      if (spare.memory.data == nullptr) continue;
      if (oldest == nullptr || spare.since < oldest->since) oldest = &spare;
    }
    if (oldest != nullptr) drop(*oldest);
  }
  std::size_t kept() const noexcept {
    std::size_t bytes = 0;
    for (const Spare& spare : spares_) bytes += spare.memory.bytes;
    return bytes;
  }

  std::mutex mutex_;
  std::array<Spare, 8> spares_;
};

// All pages at once, for they will all be written; a fault for each of them costs more. Not those
// of what is so long that a deadline would be heard late. Does nothing before Linux 5.14.
void make_pages(void* data, std::size_t bytes) noexcept {
#ifdef __linux__
  constexpr int kPopulateWrite = 23;  // MADV_POPULATE_WRITE, which older headers lack
  constexpr std::uintptr_t kPage = 4096;
  if (bytes < kLeast || bytes > kMostSpareBytes) return;
  const std::uintptr_t begin = (reinterpret_cast<std::uintptr_t>(data) + kPage - 1) / kPage * kPage;
  const std::uintptr_t end = (reinterpret_cast<std::uintptr_t>(data) + bytes) / kPage * kPage;
  static_cast<void>(::madvise(reinterpret_cast<void*>(begin), end - begin, kPopulateWrite));
#else
  static_cast<void>(data);
  static_cast<void>(bytes);
#endif
}

// Never destroyed: arrays may be let go while the process ends.
Spares& spares() noexcept {
  static Spares& all = *[] {
    static auto* const made = new Spares;
    ::pthread_atfork([] { made->lock(); }, [] { made->unlock(); }, [] { made->unlock(); });
    return made;
  }();
  return all;
}

}  // namespace

Memory take_memory(std::size_t bytes) noexcept {
  const std::size_t whole = (bytes / kAlignment + 1) * kAlignment;
  if (whole >= kLeast) {
    const Memory spare = spares().take(whole);
    if (spare.data != nullptr) return spare;
  }
  void* data = std::aligned_alloc(kAlignment, whole);
  if (data == nullptr && release_spare_memory() > 0) data = std::aligned_alloc(kAlignment, whole);
  if (data != nullptr) make_pages(data, whole);
  return {data, whole};
}

void let_go(Memory memory) noexcept {
  spares().keep(memory);
}

std::size_t release_spare_memory() noexcept {
  return spares().release();
}

}  // namespace deepsport::bindings
