// What happens to one pixel: samples to 14 bits, resampling, YUV to RGB, normalisation, place in a
// patch. The only arithmetic of pictures in deepsport: the CPU path, the CUDA kernels and the
// tests' grid executor compile this same file. Not for loops over pictures, memory or threads.
//
// Note [One arithmetic]
// Up to and including 8-bit RGB everything is integer, so that every compiler, instruction set and
// GPU gives the same bits. Floating point begins at normalisation: three IEEE operations, each
// rounded once; both compilers are told not to contract them (-ffp-contract=off, -fmad=false).
//
//   sample of 8..14 bits   -> taps down: 14 bits -> taps across: 14 bits
//   Y, Cb, Cr of 14 bits   -> colour matrix: R, G, B of 8 bits
//   8-bit R, G, B          -> (x / 255 - mean) / deviation: float, bfloat16, float16
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define DEEPSPORT_HD __host__ __device__ __forceinline__
#else
#define DEEPSPORT_HD inline
#endif

namespace deepsport::pixel {

/// Bits of a sample on its way from the surface to RGB.
constexpr int kSampleBits = 14;
/// Fraction bits of a resampling weight; the weights of one output sample sum to exactly 1 << this.
constexpr int kWeightBits = 14;
/// Fraction bits of a colour coefficient.
constexpr int kColorBits = 14;

/// A sum of weights times samples of `depth` bits as one sample of 14 bits; overshoot stays. With
/// one tap of weight 1 it widens the sample exactly. Shifts of negative numbers are arithmetic on
/// every compiler we support.
DEEPSPORT_HD std::int32_t weighted(std::int32_t sum, std::int32_t depth) {
  const std::int32_t shift = kWeightBits + depth - kSampleBits;
  return (sum + (1 << (shift - 1))) >> shift;
}

/// YUV to RGB of one stream: offsets of 14 bits, coefficients of kColorBits fraction bits.
struct YuvToRgb {
  std::int32_t luma, red_cr, green_cb, green_cr, blue_cb;
  std::int32_t luma_offset, chroma_offset;
};

DEEPSPORT_HD std::uint8_t clip_to_byte(std::int32_t value) {
  return static_cast<std::uint8_t>(value < 0 ? 0 : (value > 255 ? 255 : value));
}

struct Rgb {
  std::uint8_t r, g, b;
};

/// Largest magnitudes with overshoot: luma 1.2 * 1.4 * 2^28, chroma 2.2 * 1.4 * 2^27: below 2^31.
DEEPSPORT_HD Rgb to_rgb(const YuvToRgb& k, std::int32_t y, std::int32_t cb, std::int32_t cr) {
  constexpr std::int32_t kShift = kColorBits + kSampleBits - 8;
  const std::int32_t luma = k.luma * (y - k.luma_offset) + (1 << (kShift - 1));
  const std::int32_t u = cb - k.chroma_offset, v = cr - k.chroma_offset;
  return {clip_to_byte((luma + k.red_cr * v) >> kShift),
          clip_to_byte((luma + k.green_cb * u + k.green_cr * v) >> kShift),
          clip_to_byte((luma + k.blue_cb * u) >> kShift)};
}

/// 8-bit value to a normalised float: two quotients and a difference, each rounded.
DEEPSPORT_HD float normalise(std::int32_t value, float mean, float deviation) {
  const float share = static_cast<float>(value) / 255.0F;
  return (share - mean) / deviation;
}

union FloatBits {
  float value;
  std::uint32_t bits;
};

/// IEEE single to bfloat16, nearest even. Finite input only.
DEEPSPORT_HD std::uint16_t to_bfloat16(float value) {
  FloatBits f;
  f.value = value;
  return static_cast<std::uint16_t>((f.bits + 0x7fffu + ((f.bits >> 16) & 1u)) >> 16);
}

/// IEEE single to half, nearest even, in integers so that host and device agree. Finite input only;
/// above 65504 it becomes infinity, below 2^-24 zero.
DEEPSPORT_HD std::uint16_t to_float16(float value) {
  FloatBits f;
  f.value = value;
  const std::uint32_t sign = (f.bits >> 16) & 0x8000u, magnitude = f.bits & 0x7fffffffu;
  if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {  // subnormal half: shift the mantissa with its hidden bit
    const std::uint32_t exponent = magnitude >> 23;
    if (exponent < 102u) return static_cast<std::uint16_t>(sign);
    const std::uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u, drop = 126u - exponent;
    const std::uint32_t half = 1u << (drop - 1u), kept = mantissa >> drop;
    const std::uint32_t rest = mantissa & ((1u << drop) - 1u);
    const std::uint32_t up = rest > half || (rest == half && (kept & 1u)) ? 1u : 0u;
    return static_cast<std::uint16_t>(sign | (kept + up));
  }
  const std::uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

/// How the stored picture is turned for display: transposed first, then mirrored.
struct Turn {
  std::int32_t transpose, flip_horizontal, flip_vertical;
};

/// The place in the stored picture (of the output's scale) that a displayed place shows.
DEEPSPORT_HD void stored_place(const Turn& turn, std::int32_t width, std::int32_t height,
                               std::int32_t x, std::int32_t y, std::int32_t* stored_x,
                               std::int32_t* stored_y) {
  const std::int32_t across = turn.flip_horizontal ? width - 1 - x : x;
  const std::int32_t down = turn.flip_vertical ? height - 1 - y : y;
  *stored_x = turn.transpose ? down : across;
  *stored_y = turn.transpose ? across : down;
}

/// Patches as vision models of the Qwen2-VL family read them: rows of
/// (channel, frame in patch, y, x), ordered so that merge x merge neighbours are adjacent.
struct PatchGrid {
  std::int32_t patch, merge, temporal, width,
      height;  ///< width, height: multiples of patch * merge
};

/// Element offset of (x, y, channel) of the `frame`-th picture from the start of the patches.
DEEPSPORT_HD std::int64_t patch_place(const PatchGrid& grid, std::int64_t frame, std::int32_t x,
                                      std::int32_t y, std::int32_t channel) {
  const std::int32_t across = grid.width / grid.patch, down = grid.height / grid.patch;
  const std::int32_t patch_x = x / grid.patch, patch_y = y / grid.patch;
  const std::int64_t block =
      static_cast<std::int64_t>(patch_y / grid.merge) * (across / grid.merge) +
      patch_x / grid.merge;
  const std::int64_t row = (frame / grid.temporal) * down * across +
                           block * grid.merge * grid.merge + (patch_y % grid.merge) * grid.merge +
                           patch_x % grid.merge;
  const std::int64_t area = static_cast<std::int64_t>(grid.patch) * grid.patch;
  const std::int64_t column = (channel * grid.temporal + frame % grid.temporal) * area +
                              static_cast<std::int64_t>(y % grid.patch) * grid.patch +
                              x % grid.patch;
  return row * (3 * grid.temporal * area) + column;
}

}  // namespace deepsport::pixel
