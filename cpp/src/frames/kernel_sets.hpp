// The tables of the sets that not every machine has; nullptr where it has not.
#pragma once

#include "frames/kernels.hpp"

namespace deepsport {

const Kernels* avx2_kernels() noexcept;
/// With byte permutes (VBMI) and sums of products of bytes (VNNI): Ice Lake, Zen 4 and newer. Older
/// AVX-512 machines, which slow down under it, use AVX2.
const Kernels* avx512_kernels() noexcept;
const Kernels* neon_kernels() noexcept;

}  // namespace deepsport
