// What each kernel computes, as plain loops. Inlined into the functions of every set, so that the
// compiler makes vectors of them with that set's instructions; the costliest are written by hand
// there and tested against these.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "frames/kernels.hpp"

#define DEEPSPORT_LOOP inline __attribute__((always_inline))

namespace deepsport::loops {

constexpr int kToByte = kSampleBits - 8;

DEEPSPORT_LOOP std::int32_t limit(std::int32_t value, std::int32_t low, std::int32_t high) {
  return value < low ? low : (value > high ? high : value);
}
DEEPSPORT_LOOP std::int16_t to_sample(std::int32_t value) {
  return static_cast<std::int16_t>(limit(value, -32768, 32767));
}
DEEPSPORT_LOOP std::uint8_t to_byte(std::int32_t value) {
  constexpr int kShift = kToByte + kGainBits;
  return static_cast<std::uint8_t>(limit((value + (1 << (kShift - 1))) >> kShift, 0, 255));
}

// Limited first: the compiler sees that 16 bits are enough.
DEEPSPORT_LOOP std::uint8_t rounded(std::int16_t sample) {
  constexpr std::int16_t kLeast = 0, kMost = 255 << kToByte;
  const auto inside = static_cast<std::uint16_t>(std::min(std::max(sample, kLeast), kMost));
  return static_cast<std::uint8_t>((inside + (1 << (kToByte - 1))) >> kToByte);
}

// 16-bit samples times 14-bit weights would leave 32 bits: they lose bits first.
DEEPSPORT_LOOP int bits_to_lose(int depth) {
  return depth > kSampleBits ? depth - kSampleBits : 0;
}
DEEPSPORT_LOOP int blend_shift(int depth) {
  return kWeightBits + (depth < kSampleBits ? depth : kSampleBits) - kSampleBits;
}
DEEPSPORT_LOOP std::int32_t blend_half(int depth) {
  const int shift = blend_shift(depth);
  return shift > 0 ? 1 << (shift - 1) : 0;
}

template <typename T>
DEEPSPORT_LOOP void widen(const T* from, int depth, int repeat, int count, std::int16_t* out) {
  const int up = kSampleBits - depth;
  if (repeat == 0) {
    if (up >= 0) {
      for (int x = 0; x < count; ++x) out[x] = static_cast<std::int16_t>(from[x] << up);
    } else {
      for (int x = 0; x < count; ++x) out[x] = static_cast<std::int16_t>(from[x] >> -up);
    }
  } else if (repeat == 1 && up >= 0) {
    const int pairs = count / 2;
    for (int x = 0; x < pairs; ++x) {
      const auto sample = static_cast<std::int16_t>(from[x] << up);
      out[2 * x] = sample;
      out[2 * x + 1] = sample;
    }
    if ((count & 1) != 0) out[count - 1] = static_cast<std::int16_t>(from[pairs] << up);
  } else {
    for (int x = 0; x < count; ++x) {
      const int sample = from[x >> repeat];
      out[x] = static_cast<std::int16_t>(up >= 0 ? sample << up : sample >> -up);
    }
  }
}

// From column `begin` on. Four rows at a time: the running sums go through memory a quarter as
// often.
template <typename T>
DEEPSPORT_LOOP void blend(const T* const* rows, const std::int16_t* weights, int taps, int depth,
                          int begin, int count, std::int16_t* out) {
  constexpr int kBlock = 512;
  std::int32_t sums[kBlock];
  const int down = bits_to_lose(depth), shift = blend_shift(depth);
  for (; begin < count; begin += kBlock) {
    const int n = std::min(kBlock, count - begin);
    for (int x = 0; x < n; ++x) sums[x] = blend_half(depth);
    int k = 0;
    for (; k + 4 <= taps; k += 4) {
      const T *a = rows[k] + begin, *b = rows[k + 1] + begin;
      const T *c = rows[k + 2] + begin, *d = rows[k + 3] + begin;
      const std::int32_t wa = weights[k], wb = weights[k + 1];
      const std::int32_t wc = weights[k + 2], wd = weights[k + 3];
      for (int x = 0; x < n; ++x) {
        sums[x] +=
            (a[x] >> down) * wa + (b[x] >> down) * wb + (c[x] >> down) * wc + (d[x] >> down) * wd;
      }
    }
    for (; k < taps; ++k) {
      const T* a = rows[k] + begin;
      const std::int32_t wa = weights[k];
      for (int x = 0; x < n; ++x) sums[x] += (a[x] >> down) * wa;
    }
    for (int x = 0; x < n; ++x) out[begin + x] = to_sample(sums[x] >> shift);
  }
}

// From output `begin` on.
DEEPSPORT_LOOP void resample(const std::int16_t* row, const Axis& axis, int begin,
                             std::int16_t* out) {
  const int taps = axis.taps;
  const int* first = axis.first.data();
  for (int i = begin; i < axis.output; ++i) {
    const std::int16_t* from = row + first[i];
    const std::int16_t* weight = axis.weights.data() + static_cast<std::ptrdiff_t>(i) * taps;
    std::int32_t sum = 1 << (kWeightBits - 1);
    for (int k = 0; k < taps; ++k) sum += from[k] * weight[k];
    out[i] = to_sample(sum >> kWeightBits);
  }
}

// Blocks that fit on the stack: the compiler sees that nothing overlaps, and makes vectors.
constexpr int kPixelBlock = 256;
struct PixelBlock {
  std::uint8_t r[kPixelBlock], g[kPixelBlock], b[kPixelBlock];
  DEEPSPORT_LOOP void copy(int begin, int count, RgbRows out) const {
    std::memcpy(out.r + begin, r, static_cast<std::size_t>(count));
    std::memcpy(out.g + begin, g, static_cast<std::size_t>(count));
    std::memcpy(out.b + begin, b, static_cast<std::size_t>(count));
  }
};

DEEPSPORT_LOOP void yuv(const std::int16_t* y, const std::int16_t* u, const std::int16_t* v,
                        const ColorMatrix& matrix, int count, RgbRows out) {
  const ColorMatrix m = matrix;
  constexpr int kHalf = 128 << kToByte;
  PixelBlock block;
  for (int begin = 0; begin < count; begin += kPixelBlock) {
    const int n = std::min(kPixelBlock, count - begin);
    for (int x = 0; x < n; ++x) {
      const std::int32_t luma = (y[begin + x] - m.y_offset) * m.y_gain;
      const std::int32_t cu = u[begin + x] - kHalf, cv = v[begin + x] - kHalf;
      block.r[x] = to_byte(luma + cv * m.r_v);
      block.g[x] = to_byte(luma + cu * m.g_u + cv * m.g_v);
      block.b[x] = to_byte(luma + cu * m.b_u);
    }
    block.copy(begin, n, out);
  }
}

// The same as sums of products of 16-bit numbers, for machines that add pairs of them. The weight
// of blue may have 17 bits: what is over is `blue_rest`, to be taken twice.
struct PairedMatrix {
  std::int32_t luma, red_v, green_u, green_v, blue_u, blue_rest;
  std::int32_t red, green, blue;  // what to add: offsets and rounding
  bool fits;
};
DEEPSPORT_LOOP PairedMatrix paired(const ColorMatrix& m) {
  constexpr std::int32_t kHalf = 128 << kToByte, kRest = 8192;
  PairedMatrix p{};
  p.luma = m.y_gain;
  p.red_v = m.r_v;
  p.green_u = m.g_u;
  p.green_v = m.g_v;
  p.blue_rest = m.b_u > 32767 ? kRest : 0;
  p.blue_u = m.b_u - 2 * p.blue_rest;
  const std::int32_t all = (1 << (kToByte + kGainBits - 1)) - m.y_offset * m.y_gain;
  p.red = all - kHalf * m.r_v;
  p.green = all - kHalf * (m.g_u + m.g_v);
  p.blue = all - kHalf * m.b_u;
  p.fits = true;
  for (const std::int32_t weight : {p.luma, p.red_v, p.green_u, p.green_v, p.blue_u}) {
    p.fits = p.fits && weight >= -32768 && weight <= 32767;
  }
  return p;
}
/// The same for 8-bit samples times 4, whose sums have the result in their upper half: what is
/// added has no bits below those of an 8-bit sample, so that nothing is lost. Blue's two weights
/// are both for U.
struct ByteMatrix {
  std::int32_t luma, red_v, green_u, green_v, blue_u, blue_more;
  std::int32_t red, green, blue;
  bool fits;
};
constexpr int kByteBits = 16 - kGainBits;
DEEPSPORT_LOOP ByteMatrix for_bytes(const ColorMatrix& matrix) {
  constexpr int kDown = kToByte - kByteBits;
  const PairedMatrix p = paired(matrix);
  const auto has_no_more_bits = [](std::int32_t add) { return (add & ((1 << kDown) - 1)) == 0; };
  return {p.luma,
          p.red_v,
          p.green_u,
          p.green_v,
          p.blue_u + p.blue_rest,
          p.blue_rest,
          p.red >> kDown,
          p.green >> kDown,
          p.blue >> kDown,
          p.fits && p.blue_u + p.blue_rest <= 32767 && has_no_more_bits(p.red) &&
              has_no_more_bits(p.green) && has_no_more_bits(p.blue)};
}
/// Two 16-bit weights in one 32-bit lane.
DEEPSPORT_LOOP std::int32_t lane(std::int32_t low, std::int32_t high) {
  return static_cast<std::int32_t>((static_cast<std::uint32_t>(low) & 0xffffu) |
                                   static_cast<std::uint32_t>(high) << 16);
}

DEEPSPORT_LOOP void rgb(const std::int16_t* r, const std::int16_t* g, const std::int16_t* b,
                        std::int32_t gain, int count, RgbRows out) {
  PixelBlock block;
  for (int begin = 0; begin < count; begin += kPixelBlock) {
    const int n = std::min(kPixelBlock, count - begin);
    if (gain == 1 << kGainBits) {  // of 8 bits: nothing to multiply
      for (int x = 0; x < n; ++x) {
        block.r[x] = rounded(r[begin + x]);
        block.g[x] = rounded(g[begin + x]);
        block.b[x] = rounded(b[begin + x]);
      }
      block.copy(begin, n, out);
      continue;
    }
    for (int x = 0; x < n; ++x) {
      block.r[x] = to_byte(r[begin + x] * gain);
      block.g[x] = to_byte(g[begin + x] * gain);
      block.b[x] = to_byte(b[begin + x] * gain);
    }
    block.copy(begin, n, out);
  }
}

DEEPSPORT_LOOP void interleave(RgbRows from, int count, std::uint8_t* __restrict out) {
  const std::uint8_t *r = from.r, *g = from.g, *b = from.b;
  for (int x = 0; x < count; ++x) {
    out[3 * x] = r[x];
    out[3 * x + 1] = g[x];
    out[3 * x + 2] = b[x];
  }
}

// From pixel `begin` on.
template <typename T>
DEEPSPORT_LOOP void split(const T* __restrict pixels, int begin, int count, T* __restrict r,
                          T* __restrict g, T* __restrict b) {
  for (int x = begin; x < count; ++x) {
    r[x] = pixels[3 * x];
    g[x] = pixels[3 * x + 1];
    b[x] = pixels[3 * x + 2];
  }
}

// From pixel `begin` on, which is even.
DEEPSPORT_LOOP void pixels8(const std::uint8_t* y, const std::uint8_t* u, const std::uint8_t* v,
                            int repeat, const ColorMatrix& matrix, int begin, int count,
                            std::uint8_t* out) {
  std::int16_t wide[3][kPixelBlock];
  PixelBlock block;
  for (; begin < count; begin += kPixelBlock) {
    const int n = std::min(kPixelBlock, count - begin);
    widen(y + begin, 8, 0, n, wide[0]);
    widen(u + (begin >> repeat), 8, repeat, n, wide[1]);
    widen(v + (begin >> repeat), 8, repeat, n, wide[2]);
    const RgbRows rows = {block.r, block.g, block.b};
    yuv(wide[0], wide[1], wide[2], matrix, n, rows);
    interleave(rows, n, out + std::ptrdiff_t{3} * begin);
  }
}

template <typename T>
DEEPSPORT_LOOP void look_up(const std::uint8_t* from, int count, const LookUpTable<T>& table,
                            T* __restrict out) {
  for (int x = 0; x < count; ++x) out[x] = table.words[from[x]];
}

}  // namespace deepsport::loops
