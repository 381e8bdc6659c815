// The inner loops of conversion, over one row each, in integers only: whatever instructions the
// machine has, the result is the same to the bit. Samples between the loops have kSampleBits bits.
#pragma once

#include <cstdint>

#include "frames/axis.hpp"

namespace deepsport {

constexpr int kSampleBits = 14;  ///< 255 of an 8-bit plane is 255 << 6

/// How samples become RGB: R = y_gain (Y - y_offset) + r_v (V - half), and so on; gains have
/// kGainBits fractional bits.
constexpr int kGainBits = 14;
struct ColorMatrix {
  std::int32_t y_offset = 0, y_gain = 1 << kGainBits;
  std::int32_t r_v = 0, g_u = 0, g_v = 0, b_u = 0;
};

/// What the two costliest loops may use; tests compare the two.
enum class Instructions { kBest, kPlain };

/// Widen stored samples of `depth` bits; `repeat` copies each 2^repeat times.
void widen_row(const std::uint8_t* from, int depth, int repeat, int count, std::int16_t* out);
void widen_row(const std::uint16_t* from, int depth, int repeat, int count, std::int16_t* out);

/// out[x] = sum over k of weights[k] * rows[k][x], brought to kSampleBits.
void blend_rows(const std::uint8_t* const* rows, const std::int16_t* weights, int taps, int depth,
                int count, std::int32_t* scratch, std::int16_t* out,
                Instructions allowed = Instructions::kBest);
void blend_rows(const std::uint16_t* const* rows, const std::int16_t* weights, int taps, int depth,
                int count, std::int32_t* scratch, std::int16_t* out,
                Instructions allowed = Instructions::kBest);

/// out[i] = sum over k < taps of weights[i * taps + k] * row[first[i] + k].
void resample_row(const std::int16_t* row, const int* first, const std::int16_t* weights, int taps,
                  int count, std::int16_t* out, Instructions allowed = Instructions::kBest);

/// Y, U, V rows to `count` RGB pixels.
void yuv_row(const std::int16_t* y, const std::int16_t* u, const std::int16_t* v,
             const ColorMatrix& matrix, int count, std::uint8_t* out);
/// Rows that are R, G and B already; `gain` brings full scale to 255, with kGainBits.
void rgb_row(const std::int16_t* r, const std::int16_t* g, const std::int16_t* b, std::int32_t gain,
             int count, std::uint8_t* out);

}  // namespace deepsport
