// Weights of an antialiased resize along one axis, as integers so that every machine rounds alike.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace deepsport {

constexpr int kWeightBits = 14;

/// The weights of an axis once more, kGroup outputs after each other, for machines that pick
/// samples out of registers: those of a group lie within kWindow samples from `first` on. Without
/// groups where some lie further apart.
struct AxisGroups {
  static constexpr int kGroup = 16, kWindow = 64;
  struct alignas(64) Pairs {
    std::int16_t of[kGroup][2];
  };
  int pairs = 0;               ///< of samples that an output has
  std::vector<int> first;      ///< of each group
  std::vector<Pairs> picks;    ///< (groups): where each output's first two samples lie
  std::vector<Pairs> weights;  ///< (groups, pairs)
};

/// Output `i` is the sum over k < taps of weights[i * taps + k] * input[first[i] + k], the weights
/// adding up to 2^kWeightBits. `taps` is 8 or a multiple of 16; surplus weights are zero, and the
/// input must be readable `reach()` beyond its end.
struct Axis {
  int input = 0, output = 0, taps = 0;
  std::vector<int> first;
  std::vector<int> count;  ///< weights that are not padding
  std::vector<std::int16_t> weights;
  AxisGroups groups;
  int reach() const noexcept {
    return std::max(taps, AxisGroups::kWindow);
  }
};

/// Bicubic (a = -0.5) widened for downscaling, as Pillow and torchvision(antialias=True) do it:
/// Pillow src/libImaging/Resample.c, precompute_coeffs. `subsampling`: the plane holds one sample
/// for 2^subsampling of the picture's `input`; the weights are those of resizing the plane after
/// repeating each sample, which is what a plain YUV to RGB conversion does.
Axis make_axis(int input, int output, int subsampling, int plane_samples);

}  // namespace deepsport
