// The two costliest loops of kernels.hpp with AVX2 instructions; the same results to the bit.
#pragma once

#include <cstdint>

namespace deepsport::avx2 {

/// May the functions below be called on this machine?
bool available() noexcept;

/// As blend_rows; `shift` brings the sums to kSampleBits. Samples of the second have at most 14
/// bits.
void blend_rows(const std::uint8_t* const* rows, const std::int16_t* weights, int taps, int shift,
                int count, std::int16_t* out);
void blend_rows(const std::uint16_t* const* rows, const std::int16_t* weights, int taps, int shift,
                int count, std::int16_t* out);
/// As resample_row; `taps` is 8 or a multiple of 16.
void resample_row(const std::int16_t* row, const int* first, const std::int16_t* weights, int taps,
                  int count, std::int16_t* out);

}  // namespace deepsport::avx2
