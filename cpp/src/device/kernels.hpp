// The embedded device code: is there any, its kernels by name, and how they are launched.
#pragma once

#include "device/driver.hpp"

namespace deepsport::device {

/// Does this build carry device code? Touches nothing of CUDA.
bool has_kernels() noexcept;

/// A kernel by name, in the primary context of a device; the code is loaded at first use.
/// @throws Error kNoDevice when there is no device code, or none this driver can run; kDevice.
CUfunction kernel(int ordinal, const char* name);

struct Grid {
  unsigned blocks_x = 1, blocks_y = 1, threads_x = 1, threads_y = 1;
};

/// Launch with one block of parameters, copied before this returns. The context must be current.
template <typename Parameters>
void launch(int ordinal, const char* name, const Grid& grid, CUstream stream,
            Parameters parameters) {
  void* arguments[] = {&parameters};
  check(cuda().launch(kernel(ordinal, name), grid.blocks_x, grid.blocks_y, 1, grid.threads_x,
                      grid.threads_y, 1, 0, stream, arguments, nullptr),
        name);
}

}  // namespace deepsport::device
