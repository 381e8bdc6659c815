// Every 64-bit ARM has NEON, so the compiler already makes vectors of the plain loops; by hand are
// the two costliest and the interleaving store.
#include "frames/kernel_sets.hpp"

#if defined(__aarch64__) && defined(__GNUC__)

#include <arm_neon.h>

#include "frames/kernel_loops.hpp"

#define DEEPSPORT_SET

namespace deepsport {
namespace neon {
namespace {

#include "frames/kernel_set.inc"

inline int16x8_t samples(const std::uint8_t* from) {
  return vreinterpretq_s16_u16(vmovl_u8(vld1_u8(from)));
}
inline int16x8_t samples(const std::uint16_t* from) {
  return vreinterpretq_s16_u16(vld1q_u16(from));
}

template <typename T>
inline void blend(const T* const* rows, const std::int16_t* weights, int taps, int depth, int count,
                  std::int16_t* out) {
  const int32x4_t half = vdupq_n_s32(loops::blend_half(depth));
  const int32x4_t by = vdupq_n_s32(-loops::blend_shift(depth));
  int x = 0;
  for (; x + 16 <= count; x += 16) {
    int32x4_t sums[4] = {half, half, half, half};
    for (int k = 0; k < taps; ++k) {
      const int16x8_t a = samples(rows[k] + x), b = samples(rows[k] + x + 8);
      const std::int16_t weight = weights[k];
      sums[0] = vmlal_n_s16(sums[0], vget_low_s16(a), weight);
      sums[1] = vmlal_n_s16(sums[1], vget_high_s16(a), weight);
      sums[2] = vmlal_n_s16(sums[2], vget_low_s16(b), weight);
      sums[3] = vmlal_n_s16(sums[3], vget_high_s16(b), weight);
    }
    for (int j = 0; j < 4; ++j) vst1_s16(out + x + 4 * j, vqmovn_s32(vshlq_s32(sums[j], by)));
  }
  if (x < count) loops::blend(rows, weights, taps, depth, x, count, out);
}

void blend8(const std::uint8_t* const* rows, const std::int16_t* weights, int taps, int depth,
            int count, std::int16_t* out) {
  blend(rows, weights, taps, depth, count, out);
}
void blend16(const std::uint16_t* const* rows, const std::int16_t* weights, int taps, int depth,
             int count, std::int16_t* out) {
  if (loops::bits_to_lose(depth) == 0) return blend(rows, weights, taps, depth, count, out);
  loops::blend(rows, weights, taps, depth, 0, count, out);
}

void resample(const std::int16_t* row, const Axis& axis, std::int16_t* out) {
  const int taps = axis.taps;
  int i = 0;
  for (; i + 4 <= axis.output; i += 4) {
    int32x4_t sums[4];
    for (int j = 0; j < 4; ++j) {
      const std::int16_t* from = row + axis.first[static_cast<std::size_t>(i + j)];
      const std::int16_t* weight =
          axis.weights.data() + static_cast<std::ptrdiff_t>(taps) * (i + j);
      int32x4_t sum = vdupq_n_s32(0);
      for (int k = 0; k < taps; k += 8) {
        const int16x8_t a = vld1q_s16(from + k), b = vld1q_s16(weight + k);
        sum = vmlal_s16(sum, vget_low_s16(a), vget_low_s16(b));
        sum = vmlal_high_s16(sum, a, b);
      }
      sums[j] = sum;
    }
    const int32x4_t all =
        vaddq_s32(vpaddq_s32(vpaddq_s32(sums[0], sums[1]), vpaddq_s32(sums[2], sums[3])),
                  vdupq_n_s32(1 << (kWeightBits - 1)));
    vst1_s16(out + i, vqshrn_n_s32(all, kWeightBits));
  }
  loops::resample(row, axis, i, out);
}

void interleave(RgbRows from, int count, std::uint8_t* out) {
  int x = 0;
  for (; x + 16 <= count; x += 16) {
    const uint8x16x3_t pixels = {
        {vld1q_u8(from.r + x), vld1q_u8(from.g + x), vld1q_u8(from.b + x)}};
    vst3q_u8(out + std::ptrdiff_t{3} * x, pixels);
  }
  loops::interleave({from.r + x, from.g + x, from.b + x}, count - x, out + std::ptrdiff_t{3} * x);
}

void split8(const std::uint8_t* pixels, int count, RgbRows out) {
  int x = 0;
  for (; x + 16 <= count; x += 16) {
    const uint8x16x3_t rows = vld3q_u8(pixels + std::ptrdiff_t{3} * x);
    vst1q_u8(out.r + x, rows.val[0]);
    vst1q_u8(out.g + x, rows.val[1]);
    vst1q_u8(out.b + x, rows.val[2]);
  }
  loops::split(pixels, x, count, out.r, out.g, out.b);
}
void split16(const std::int16_t* pixels, int count, std::int16_t* const (&out)[3]) {
  int x = 0;
  for (; x + 8 <= count; x += 8) {
    const int16x8x3_t rows = vld3q_s16(pixels + std::ptrdiff_t{3} * x);
    for (int c = 0; c < 3; ++c) vst1q_s16(out[c] + x, rows.val[c]);
  }
  loops::split(pixels, x, count, out[0], out[1], out[2]);
}

// In blocks that stay in the first cache.
void pixels8(const std::uint8_t* y, const std::uint8_t* u, const std::uint8_t* v, int repeat,
             const ColorMatrix& matrix, int count, std::uint8_t* out) {
  std::int16_t wide[3][loops::kPixelBlock];
  loops::PixelBlock block;
  for (int x = 0; x < count; x += loops::kPixelBlock) {
    const int n = std::min(loops::kPixelBlock, count - x);
    widen8(y + x, 8, 0, n, wide[0]);
    widen8(u + (x >> repeat), 8, repeat, n, wide[1]);
    widen8(v + (x >> repeat), 8, repeat, n, wide[2]);
    const RgbRows rows = {block.r, block.g, block.b};
    yuv(wide[0], wide[1], wide[2], matrix, n, rows);
    interleave(rows, n, out + std::ptrdiff_t{3} * x);
  }
}

void look_up32(const std::uint8_t* from, int count, const LookUpTable<std::uint32_t>& table,
               std::uint32_t* out) {
  loops::look_up(from, count, table, out);
}
void look_up16(const std::uint8_t* from, int count, const LookUpTable<std::uint16_t>& table,
               std::uint16_t* out) {
  loops::look_up(from, count, table, out);
}

constexpr Kernels kTable = {"neon", widen8,     widen16, blend8,  blend16, resample,  yuv,      rgb,
                            stream, interleave, split8,  split16, pixels8, look_up32, look_up16};

}  // namespace
}  // namespace neon

const Kernels* neon_kernels() noexcept {
  return &neon::kTable;
}

}  // namespace deepsport

#else

namespace deepsport {

const Kernels* neon_kernels() noexcept {
  return nullptr;
}

}  // namespace deepsport

#endif
