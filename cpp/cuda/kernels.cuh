// The kernels. Compiled by nvcc into the fat binary, and by g++ through the tests' grid executor,
// which knows threadIdx, blockIdx and blockDim in two dimensions and nothing else: no kernel here
// needs shared memory or a barrier, and none should without teaching the executor first.
#pragma once

#include "cuda/advantage.hpp"
#include "cuda/picture.hpp"

// X(kernel, its block of parameters)
#define DEEPSPORT_KERNELS(X)                               \
  X(deepsport_picture, deepsport::pixel::Picture)          \
  X(deepsport_layout, deepsport::pixel::Layout)            \
  X(deepsport_advantage, deepsport::advantage::Parameters) \
  X(deepsport_spread, deepsport::advantage::SpreadParameters)

#define DEEPSPORT_PLACE(axis) static_cast<int>(blockIdx.axis * blockDim.axis + threadIdx.axis)

/// One thread makes one displayed pixel.
extern "C" __global__ void deepsport_picture(
    const __grid_constant__ deepsport::pixel::Picture picture) {
  const int x = DEEPSPORT_PLACE(x), y = DEEPSPORT_PLACE(y);
  if (x < picture.width && y < picture.height) deepsport::pixel::make_pixel(picture, x, y);
}

/// One thread moves one pixel.
extern "C" __global__ void deepsport_layout(
    const __grid_constant__ deepsport::pixel::Layout layout) {
  const int x = DEEPSPORT_PLACE(x), y = DEEPSPORT_PLACE(y);
  if (x < layout.width && y < layout.height) deepsport::pixel::lay_out(layout, x, y);
}

/// One thread makes the advantages of one group.
extern "C" __global__ void deepsport_advantage(
    const __grid_constant__ deepsport::advantage::Parameters parameters) {
  const int group = DEEPSPORT_PLACE(x);
  if (group < parameters.groups) deepsport::advantage::make_group(parameters, group);
}

/// One thread writes one token's advantage.
extern "C" __global__ void deepsport_spread(
    const __grid_constant__ deepsport::advantage::SpreadParameters parameters) {
  const int token = DEEPSPORT_PLACE(x), row = DEEPSPORT_PLACE(y);
  if (token < parameters.tokens && row < parameters.rows)
    deepsport::advantage::spread_token(parameters, row, token);
}
