#include "frames/kernels.hpp"

#include <algorithm>
#include <cstddef>

#include "frames/kernels_avx2.hpp"

// Compiled once for each kind of x86 machine; the loader picks. Sanitizers cannot follow that.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__linux__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define DEEPSPORT_FOR_EACH_MACHINE \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), optimize("O3")))
#else
#define DEEPSPORT_FOR_EACH_MACHINE
#endif

namespace deepsport {
namespace {

template <typename T>
inline __attribute__((always_inline)) void widen(const T* from, int depth, int repeat, int count,
                                                 std::int16_t* out) {
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

// 16-bit samples times 14-bit weights would leave 32 bits: they lose bits first.
int bits_to_lose(int depth) {
  return std::max(0, depth - kSampleBits);
}
int blend_shift(int depth) {
  return kWeightBits + std::min(depth, kSampleBits) - kSampleBits;
}

// Four rows at a time: the running sums go through memory a quarter as often.
template <typename T>
inline __attribute__((always_inline)) void blend(const T* const* rows, const std::int16_t* weights,
                                                 int taps, int depth, int count,
                                                 std::int32_t* __restrict sums,
                                                 std::int16_t* __restrict out) {
  const int down = bits_to_lose(depth), shift = blend_shift(depth);
  const std::int32_t half = shift > 0 ? 1 << (shift - 1) : 0;
  for (int x = 0; x < count; ++x) sums[x] = half;
  int k = 0;
  for (; k + 4 <= taps; k += 4) {
    const T *a = rows[k], *b = rows[k + 1], *c = rows[k + 2], *d = rows[k + 3];
    const std::int32_t wa = weights[k], wb = weights[k + 1], wc = weights[k + 2],
                       wd = weights[k + 3];
    for (int x = 0; x < count; ++x) {
      sums[x] +=
          (a[x] >> down) * wa + (b[x] >> down) * wb + (c[x] >> down) * wc + (d[x] >> down) * wd;
    }
  }
  for (; k < taps; ++k) {
    const T* a = rows[k];
    const std::int32_t wa = weights[k];
    for (int x = 0; x < count; ++x) sums[x] += (a[x] >> down) * wa;
  }
  for (int x = 0; x < count; ++x) {
    out[x] = static_cast<std::int16_t>(std::clamp(sums[x] >> shift, -32768, 32767));
  }
}

inline __attribute__((always_inline)) void resample(const std::int16_t* row, const int* first,
                                                    const std::int16_t* weights, int taps,
                                                    int count, std::int16_t* out) {
  for (int i = 0; i < count; ++i) {
    const std::int16_t* from = row + first[i];
    const std::int16_t* weight = weights + static_cast<std::ptrdiff_t>(i) * taps;
    std::int32_t sum = 1 << (kWeightBits - 1);
    for (int k = 0; k < taps; ++k) sum += from[k] * weight[k];
    out[i] = static_cast<std::int16_t>(std::clamp(sum >> kWeightBits, -32768, 32767));
  }
}

constexpr int kToByte = kSampleBits - 8;

inline std::uint8_t to_byte(std::int32_t value, int shift) {
  return static_cast<std::uint8_t>(std::clamp((value + (1 << (shift - 1))) >> shift, 0, 255));
}

}  // namespace

DEEPSPORT_FOR_EACH_MACHINE
void widen_row(const std::uint8_t* from, int depth, int repeat, int count, std::int16_t* out) {
  widen(from, depth, repeat, count, out);
}

DEEPSPORT_FOR_EACH_MACHINE
void widen_row(const std::uint16_t* from, int depth, int repeat, int count, std::int16_t* out) {
  widen(from, depth, repeat, count, out);
}

void blend_rows(const std::uint8_t* const* rows, const std::int16_t* weights, int taps, int depth,
                int count, std::int32_t* scratch, std::int16_t* out, Instructions allowed) {
  if (allowed == Instructions::kBest && avx2::available()) {
    return avx2::blend_rows(rows, weights, taps, blend_shift(depth), count, out);
  }
  blend(rows, weights, taps, depth, count, scratch, out);
}

void blend_rows(const std::uint16_t* const* rows, const std::int16_t* weights, int taps, int depth,
                int count, std::int32_t* scratch, std::int16_t* out, Instructions allowed) {
  if (allowed == Instructions::kBest && bits_to_lose(depth) == 0 && avx2::available()) {
    return avx2::blend_rows(rows, weights, taps, blend_shift(depth), count, out);
  }
  blend(rows, weights, taps, depth, count, scratch, out);
}

void resample_row(const std::int16_t* row, const int* first, const std::int16_t* weights, int taps,
                  int count, std::int16_t* out, Instructions allowed) {
  if (allowed == Instructions::kBest && avx2::available()) {
    return avx2::resample_row(row, first, weights, taps, count, out);
  }
  resample(row, first, weights, taps, count, out);
}

DEEPSPORT_FOR_EACH_MACHINE
void yuv_row(const std::int16_t* y, const std::int16_t* u, const std::int16_t* v,
             const ColorMatrix& matrix, int count, std::uint8_t* __restrict out) {
  const ColorMatrix m = matrix;
  constexpr int kHalf = 128 << kToByte;
  constexpr int kBlock = 512;
  std::uint8_t planes[3][kBlock];
  for (int begin = 0; begin < count; begin += kBlock) {
    const int n = std::min(kBlock, count - begin);
    for (int x = 0; x < n; ++x) {
      const std::int32_t luma = (y[begin + x] - m.y_offset) * m.y_gain;
      const std::int32_t cu = u[begin + x] - kHalf, cv = v[begin + x] - kHalf;
      planes[0][x] = to_byte(luma + cv * m.r_v, kToByte + kGainBits);
      planes[1][x] = to_byte(luma + cu * m.g_u + cv * m.g_v, kToByte + kGainBits);
      planes[2][x] = to_byte(luma + cu * m.b_u, kToByte + kGainBits);
    }
    std::uint8_t* to = out + 3 * static_cast<std::ptrdiff_t>(begin);
    for (int x = 0; x < n; ++x) {
      to[3 * x] = planes[0][x];
      to[3 * x + 1] = planes[1][x];
      to[3 * x + 2] = planes[2][x];
    }
  }
}

DEEPSPORT_FOR_EACH_MACHINE
void rgb_row(const std::int16_t* r, const std::int16_t* g, const std::int16_t* b, std::int32_t gain,
             int count, std::uint8_t* __restrict out) {
  for (int x = 0; x < count; ++x) {
    out[3 * x] = to_byte(r[x] * gain, kToByte + kGainBits);
    out[3 * x + 1] = to_byte(g[x] * gain, kToByte + kGainBits);
    out[3 * x + 2] = to_byte(b[x] * gain, kToByte + kGainBits);
  }
}

}  // namespace deepsport
