// Runs kernels.cuh on the CPU: CUDA's words for g++, and loops for the grid. Blocks are shared
// between two threads under ThreadSanitizer, so that it sees two CUDA threads writing one place.
#pragma once

#include <cstdint>
#include <thread>

struct FakeDim3 {
  unsigned x = 1, y = 1, z = 1;
};
inline thread_local FakeDim3 threadIdx, blockIdx, blockDim;

#define __global__
#define __grid_constant__
#include "cuda/kernels.cuh"
#undef __global__
#undef __grid_constant__

template <typename Kernel>
void run_rows_of_blocks(const FakeDim3& grid, const FakeDim3& block, unsigned first, unsigned step,
                        const Kernel& kernel) {
  blockDim = block;
  for (unsigned y = first; y < grid.y; y += step) {
    for (unsigned x = 0; x < grid.x; ++x) {
      blockIdx = {x, y, 0};
      for (unsigned j = 0; j < block.y; ++j) {
        for (unsigned i = 0; i < block.x; ++i) {
          threadIdx = {i, j, 0};
          kernel();
        }
      }
    }
  }
}

template <typename Kernel>
void run_grid(const FakeDim3& grid, const FakeDim3& block, const Kernel& kernel) {
#if defined(__SANITIZE_THREAD__)
  std::thread other([&] { run_rows_of_blocks(grid, block, 1, 2, kernel); });
  run_rows_of_blocks(grid, block, 0, 2, kernel);
  other.join();
#else
  run_rows_of_blocks(grid, block, 0, 1, kernel);
#endif
}
