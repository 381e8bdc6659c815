#include "frames/kernels_avx2.hpp"

#include <algorithm>

#include "frames/axis.hpp"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#include <cstring>

#define DEEPSPORT_AVX2 __attribute__((target("avx2")))

namespace deepsport::avx2 {
namespace {

// Two neighbouring weights in every 32-bit lane, for madd.
DEEPSPORT_AVX2 inline __m256i pair(std::int16_t a, std::int16_t b) {
  const auto low = static_cast<std::uint32_t>(static_cast<std::uint16_t>(a));
  const auto high = static_cast<std::uint32_t>(static_cast<std::uint16_t>(b));
  return _mm256_set1_epi32(static_cast<int>(low | high << 16));
}

inline __m128i load128(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}
DEEPSPORT_AVX2 inline __m256i load256(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

// 16 samples of two rows, interleaved as 16-bit pairs: first and second eight.
struct Pairs {
  __m256i first, second;
};
DEEPSPORT_AVX2 inline Pairs interleave(const std::uint8_t* a, const std::uint8_t* b) {
  const __m128i p = load128(a), q = load128(b);
  return {_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(p, q)),
          _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(p, q))};
}
DEEPSPORT_AVX2 inline Pairs interleave(const std::uint16_t* a, const std::uint16_t* b) {
  // unpack works within halves: put the quarters in an order that makes the result run on.
  const __m256i p = _mm256_permute4x64_epi64(load256(a), 0xD8);
  const __m256i q = _mm256_permute4x64_epi64(load256(b), 0xD8);
  return {_mm256_unpacklo_epi16(p, q), _mm256_unpackhi_epi16(p, q)};
}

template <typename T>
DEEPSPORT_AVX2 void blend(const T* const* rows, const std::int16_t* weights, int taps, int shift,
                          int count, std::int16_t* out) {
  const __m256i half = _mm256_set1_epi32(shift > 0 ? 1 << (shift - 1) : 0);
  const __m128i by = _mm_cvtsi32_si128(shift);
  int x = 0;
  for (; x + 16 <= count; x += 16) {
    __m256i low = half, high = half;
    for (int k = 0; k < taps; k += 2) {
      const bool single = k + 1 == taps;
      const Pairs pairs = interleave(rows[k] + x, rows[single ? k : k + 1] + x);
      const __m256i weight = pair(weights[k], single ? std::int16_t{0} : weights[k + 1]);
      low = _mm256_add_epi32(low, _mm256_madd_epi16(pairs.first, weight));
      high = _mm256_add_epi32(high, _mm256_madd_epi16(pairs.second, weight));
    }
    const __m256i packed =
        _mm256_packs_epi32(_mm256_sra_epi32(low, by), _mm256_sra_epi32(high, by));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + x),
                        _mm256_permute4x64_epi64(packed, 0xD8));
  }
  for (; x < count; ++x) {
    std::int32_t sum = shift > 0 ? 1 << (shift - 1) : 0;
    for (int k = 0; k < taps; ++k) sum += rows[k][x] * weights[k];
    out[x] = static_cast<std::int16_t>(std::clamp(sum >> shift, -32768, 32767));
  }
}

}  // namespace

bool available() noexcept {
  static const bool has = __builtin_cpu_supports("avx2") != 0;
  return has;
}

DEEPSPORT_AVX2 void blend_rows(const std::uint8_t* const* rows, const std::int16_t* weights,
                               int taps, int shift, int count, std::int16_t* out) {
  blend(rows, weights, taps, shift, count, out);
}

DEEPSPORT_AVX2 void blend_rows(const std::uint16_t* const* rows, const std::int16_t* weights,
                               int taps, int shift, int count, std::int16_t* out) {
  blend(rows, weights, taps, shift, count, out);
}

DEEPSPORT_AVX2 void resample_row(const std::int16_t* row, const int* first,
                                 const std::int16_t* weights, int taps, int count,
                                 std::int16_t* out) {
  constexpr int kHalf = 1 << (kWeightBits - 1);
  int i = 0;
  if (taps == 8) {
    for (; i + 4 <= count; i += 4) {
      __m128i sums[4];
      for (int j = 0; j < 4; ++j) {
        sums[j] = _mm_madd_epi16(load128(row + first[i + j]), load128(weights + 8 * (i + j)));
      }
      __m128i all =
          _mm_hadd_epi32(_mm_hadd_epi32(sums[0], sums[1]), _mm_hadd_epi32(sums[2], sums[3]));
      all = _mm_srai_epi32(_mm_add_epi32(all, _mm_set1_epi32(kHalf)), kWeightBits);
      _mm_storel_epi64(reinterpret_cast<__m128i*>(out + i), _mm_packs_epi32(all, all));
    }
  } else {
    for (; i + 8 <= count; i += 8) {
      __m256i sums[8];
      for (int j = 0; j < 8; ++j) {
        const std::int16_t* from = row + first[i + j];
        const std::int16_t* weight = weights + static_cast<std::ptrdiff_t>(taps) * (i + j);
        __m256i sum = _mm256_madd_epi16(load256(from), load256(weight));
        for (int k = 16; k < taps; k += 16) {
          sum = _mm256_add_epi32(sum, _mm256_madd_epi16(load256(from + k), load256(weight + k)));
        }
        sums[j] = sum;
      }
      const __m256i a = _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]),
                                          _mm256_hadd_epi32(sums[2], sums[3]));
      const __m256i b = _mm256_hadd_epi32(_mm256_hadd_epi32(sums[4], sums[5]),
                                          _mm256_hadd_epi32(sums[6], sums[7]));
      __m256i all = _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
                                     _mm256_permute2x128_si256(a, b, 0x31));
      all = _mm256_srai_epi32(_mm256_add_epi32(all, _mm256_set1_epi32(kHalf)), kWeightBits);
      const __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(all, all), 0xD8);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm256_castsi256_si128(packed));
    }
  }
  for (; i < count; ++i) {
    std::int32_t sum = kHalf;
    for (int k = 0; k < taps; ++k) {
      sum += row[first[i] + k] * weights[static_cast<std::ptrdiff_t>(taps) * i + k];
    }
    out[i] = static_cast<std::int16_t>(std::clamp(sum >> kWeightBits, -32768, 32767));
  }
}

}  // namespace deepsport::avx2

#else

namespace deepsport::avx2 {

bool available() noexcept {
  return false;
}
void blend_rows(const std::uint8_t* const*, const std::int16_t*, int, int, int, std::int16_t*) {}
void blend_rows(const std::uint16_t* const*, const std::int16_t*, int, int, int, std::int16_t*) {}
void resample_row(const std::int16_t*, const int*, const std::int16_t*, int, int, std::int16_t*) {}

}  // namespace deepsport::avx2

#endif
