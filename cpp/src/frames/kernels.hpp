// The inner loops of conversion, over one row each, in integers only: whatever instructions the
// machine has, the result is the same to the bit. Samples between the loops have kSampleBits bits.
//
// Each set of instructions is a table of functions in a file of its own, all built on the loops of
// kernel_loops.hpp, which say what is computed.
#pragma once

#include <cstddef>
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

/// Rows of one colour each.
struct RgbRows {
  std::uint8_t *r, *g, *b;
};

/// What each value of a byte becomes: as words, and byte by byte of them for machines that permute
/// bytes.
template <typename Word>
struct LookUpTable {
  alignas(64) Word words[256];
  alignas(64) std::uint8_t bytes[sizeof(Word)][256];
  void set(int value, Word word) noexcept {
    words[value] = word;
    for (unsigned i = 0; i < sizeof(Word); ++i) {
      bytes[i][value] = static_cast<std::uint8_t>(word >> (8 * i));
    }
  }
};

struct Kernels {
  const char* name;
  /// Widen stored samples of `depth` bits; `repeat` copies each 2^repeat times.
  void (*widen8)(const std::uint8_t* from, int depth, int repeat, int count, std::int16_t* out);
  void (*widen16)(const std::uint16_t* from, int depth, int repeat, int count, std::int16_t* out);
  /// out[x] = sum over k of weights[k] * rows[k][x], brought to kSampleBits.
  void (*blend8)(const std::uint8_t* const* rows, const std::int16_t* weights, int taps, int depth,
                 int count, std::int16_t* out);
  void (*blend16)(const std::uint16_t* const* rows, const std::int16_t* weights, int taps,
                  int depth, int count, std::int16_t* out);
  /// What axis.hpp says, to axis.output samples.
  void (*resample)(const std::int16_t* row, const Axis& axis, std::int16_t* out);
  /// Y, U, V rows to rows of R, G and B.
  void (*yuv)(const std::int16_t* y, const std::int16_t* u, const std::int16_t* v,
              const ColorMatrix& matrix, int count, RgbRows out);
  /// Rows that are R, G and B already; `gain` brings full scale to 255, with kGainBits.
  void (*rgb)(const std::int16_t* r, const std::int16_t* g, const std::int16_t* b,
              std::int32_t gain, int count, RgbRows out);
  /// Copy to memory that is not read soon, past the caches where the machine can. Another thread
  /// sees it after a fence of sequential consistency.
  void (*stream)(const void* from, std::size_t bytes, void* to);
  /// Three rows to pixels.
  void (*interleave)(RgbRows from, int count, std::uint8_t* out);
  /// Pixels to three rows.
  void (*split8)(const std::uint8_t* pixels, int count, RgbRows out);
  void (*split16)(const std::int16_t* pixels, int count, std::int16_t* const (&out)[3]);
  /// Rows of 8-bit Y, U and V to pixels: what widening, `yuv` and `interleave` do, in one step. U
  /// and V are repeated 2^repeat times; `repeat` is 0 or 1.
  void (*pixels8)(const std::uint8_t* y, const std::uint8_t* u, const std::uint8_t* v, int repeat,
                  const ColorMatrix& matrix, int count, std::uint8_t* out);
  /// out[x] = table[from[x]].
  void (*look_up32)(const std::uint8_t* from, int count, const LookUpTable<std::uint32_t>& table,
                    std::uint32_t* out);
  void (*look_up16)(const std::uint8_t* from, int count, const LookUpTable<std::uint16_t>& table,
                    std::uint16_t* out);
};

enum class InstructionSet { kScalar, kAvx2, kAvx512, kNeon };

/// The functions of a set, or nullptr where this machine or build has none.
const Kernels* kernels_of(InstructionSet set) noexcept;

/// The best set of this machine, unless the environment variable DEEPSPORT_SIMD names another one
/// that it has: scalar, avx2, avx512, neon. Chosen once.
const Kernels& kernels() noexcept;

}  // namespace deepsport
