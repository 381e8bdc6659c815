// Memory of large outputs that were let go, kept for the next: a system hands out new memory a page
// of 4 KiB at a time, at each first touch, which for full-size frames costs more than converting
// them does. Knows nothing of arrays.
#pragma once

#include <cstddef>

namespace deepsport::bindings {

/// A multiple of 64 of these bytes at least, aligned to 64, its pages made; nullptr where there is
/// none.
struct Memory {
  void* data = nullptr;
  std::size_t bytes = 0;
};
Memory take_memory(std::size_t bytes) noexcept;

/// Keeps it, or returns it to the system. At most kMostSpareBytes are kept, nothing small, and
/// nothing for longer than kSpareSeconds after which one of these functions is called.
void let_go(Memory memory) noexcept;
constexpr std::size_t kMostSpareBytes = std::size_t{128} << 20;
constexpr int kSpareSeconds = 10;

/// Return all that is kept to the system; its bytes.
std::size_t release_spare_memory() noexcept;

}  // namespace deepsport::bindings
