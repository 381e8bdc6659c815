#include "frames/kernel_sets.hpp"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#include <cstring>

#include "frames/kernel_loops.hpp"

#define DEEPSPORT_SET __attribute__((target("avx2,bmi2")))

namespace deepsport {
namespace avx2 {
namespace {

#define DEEPSPORT_OWN_STREAM
#define DEEPSPORT_OWN_YUV
#include "frames/kernel_set.inc"

DEEPSPORT_SET inline __m128i load128(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}
DEEPSPORT_SET inline __m256i load256(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}
DEEPSPORT_SET inline __m256i samples(const std::uint8_t* from) {
  return _mm256_cvtepu8_epi16(load128(from));
}
DEEPSPORT_SET inline __m256i samples(const std::uint16_t* from) {
  return load256(from);
}

// 16 columns of two rows and their weights onto the running sums. The sums of a register are not
// those of neighbours, but packing puts them back in order.
struct Sums {
  __m256i low, high;
};
template <typename T>
DEEPSPORT_SET inline void add_pair(Sums& sums, const T* a, const T* b, __m256i weights) {
  const __m256i p = samples(a), q = samples(b);
  sums.low = _mm256_add_epi32(sums.low, _mm256_madd_epi16(_mm256_unpacklo_epi16(p, q), weights));
  sums.high = _mm256_add_epi32(sums.high, _mm256_madd_epi16(_mm256_unpackhi_epi16(p, q), weights));
}
DEEPSPORT_SET inline void store(const Sums& sums, __m128i by, std::int16_t* out) {
  _mm256_storeu_si256(
      reinterpret_cast<__m256i*>(out),
      _mm256_packs_epi32(_mm256_sra_epi32(sums.low, by), _mm256_sra_epi32(sums.high, by)));
}

// Two neighbouring weights in every 32-bit lane; the last of an odd number has none beside it.
DEEPSPORT_SET inline __m256i pair(const std::int16_t* weights, bool single) {
  std::int32_t both = static_cast<std::uint16_t>(*weights);
  if (!single) std::memcpy(&both, weights, sizeof both);
  return _mm256_set1_epi32(both);
}

template <typename T>
DEEPSPORT_SET inline void blend(const T* const* rows, const std::int16_t* weights, int taps,
                                int depth, int count, std::int16_t* out) {
  const __m256i half = _mm256_set1_epi32(loops::blend_half(depth));
  const __m128i by = _mm_cvtsi32_si128(loops::blend_shift(depth));
  int x = 0;
  for (; x + 32 <= count; x += 32) {
    Sums left = {half, half}, right = {half, half};
    for (int k = 0; k < taps; k += 2) {
      const bool single = k + 1 == taps;
      const T *a = rows[k] + x, *b = rows[single ? k : k + 1] + x;
      const __m256i both = pair(weights + k, single);
      add_pair(left, a, b, both);
      add_pair(right, a + 16, b + 16, both);
    }
    store(left, by, out + x);
    store(right, by, out + x + 16);
  }
  if (x < count) loops::blend(rows, weights, taps, depth, x, count, out);
}

DEEPSPORT_SET void blend8(const std::uint8_t* const* rows, const std::int16_t* weights, int taps,
                          int depth, int count, std::int16_t* out) {
  blend(rows, weights, taps, depth, count, out);
}
DEEPSPORT_SET void blend16(const std::uint16_t* const* rows, const std::int16_t* weights, int taps,
                           int depth, int count, std::int16_t* out) {
  if (loops::bits_to_lose(depth) == 0) return blend(rows, weights, taps, depth, count, out);
  loops::blend(rows, weights, taps, depth, 0, count, out);
}

// Lines that both kinds of stores write would be read first: all of a run or nothing.
DEEPSPORT_SET void stream(const void* from, std::size_t bytes, void* to) {
  const auto* source = static_cast<const std::uint8_t*>(from);
  auto* target = static_cast<std::uint8_t*>(to);
  const auto fits = [&](std::size_t unit) {
    return (reinterpret_cast<std::uintptr_t>(to) | bytes) % unit == 0;
  };
  if (fits(16)) {
    for (std::size_t i = 0; i < bytes; i += 16) {
      _mm_stream_si128(reinterpret_cast<__m128i*>(target + i), load128(source + i));
    }
  } else if (fits(8)) {
    for (std::size_t i = 0; i < bytes; i += 8) {
      long long eight;
      std::memcpy(&eight, source + i, 8);
      _mm_stream_si64(reinterpret_cast<long long*>(target + i), eight);
    }
  } else {
    std::memcpy(to, from, bytes);
  }
}

constexpr int kHalf = 1 << (kWeightBits - 1);

DEEPSPORT_SET inline int resample8(const std::int16_t* row, const Axis& axis, std::int16_t* out) {
  const int* first = axis.first.data();
  const std::int16_t* weights = axis.weights.data();
  const int count = axis.output;
  int i = 0;
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
  return i;
}

DEEPSPORT_SET inline int resample16(const std::int16_t* row, const Axis& axis, std::int16_t* out) {
  const int* first = axis.first.data();
  const std::int16_t* weights = axis.weights.data();
  const int taps = axis.taps, count = axis.output;
  int i = 0;
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
    const __m256i a =
        _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3]));
    const __m256i b =
        _mm256_hadd_epi32(_mm256_hadd_epi32(sums[4], sums[5]), _mm256_hadd_epi32(sums[6], sums[7]));
    __m256i all = _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
                                   _mm256_permute2x128_si256(a, b, 0x31));
    all = _mm256_srai_epi32(_mm256_add_epi32(all, _mm256_set1_epi32(kHalf)), kWeightBits);
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(all, all), 0xD8);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm256_castsi256_si128(packed));
  }
  return i;
}

DEEPSPORT_SET void resample(const std::int16_t* row, const Axis& axis, std::int16_t* out) {
  const int done = axis.taps == 8 ? resample8(row, axis, out) : resample16(row, axis, out);
  loops::resample(row, axis, done, out);
}

// 16 pixels: their pairs (Y, U) and (Y, V), in the order that packing undoes.
struct YuvPairs {
  __m256i u_low, u_high, v_low, v_high;
};
DEEPSPORT_SET inline YuvPairs pairs(const std::int16_t* y, const std::int16_t* u,
                                    const std::int16_t* v) {
  const __m256i a = load256(y), b = load256(u), c = load256(v);
  return {_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b), _mm256_unpacklo_epi16(a, c),
          _mm256_unpackhi_epi16(a, c)};
}

struct Weights {
  __m256i red, green_u, green_v, blue, blue_rest, add_red, add_green, add_blue;
};
DEEPSPORT_SET inline Weights weights_of(const loops::PairedMatrix& m) {
  return {_mm256_set1_epi32(loops::lane(m.luma, m.red_v)),
          _mm256_set1_epi32(loops::lane(m.luma, m.green_u)),
          _mm256_set1_epi32(loops::lane(0, m.green_v)),
          _mm256_set1_epi32(loops::lane(m.luma, m.blue_u)),
          _mm256_set1_epi32(loops::lane(0, m.blue_rest)),
          _mm256_set1_epi32(m.red),
          _mm256_set1_epi32(m.green),
          _mm256_set1_epi32(m.blue)};
}

constexpr int kToByte = loops::kToByte + kGainBits;
DEEPSPORT_SET inline __m256i red(__m256i v, const Weights& w) {
  return _mm256_srai_epi32(_mm256_add_epi32(_mm256_madd_epi16(v, w.red), w.add_red), kToByte);
}
DEEPSPORT_SET inline __m256i green(__m256i u, __m256i v, const Weights& w) {
  const __m256i sum =
      _mm256_add_epi32(_mm256_madd_epi16(u, w.green_u), _mm256_madd_epi16(v, w.green_v));
  return _mm256_srai_epi32(_mm256_add_epi32(sum, w.add_green), kToByte);
}
DEEPSPORT_SET inline __m256i blue(__m256i u, const Weights& w) {
  const __m256i rest = _mm256_slli_epi32(_mm256_madd_epi16(u, w.blue_rest), 1);
  const __m256i sum = _mm256_add_epi32(_mm256_madd_epi16(u, w.blue), rest);
  return _mm256_srai_epi32(_mm256_add_epi32(sum, w.add_blue), kToByte);
}
DEEPSPORT_SET inline void store_bytes(__m256i low, __m256i high, std::uint8_t* out) {
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi16(low, high), 0xD8);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), packed);
}

DEEPSPORT_SET void yuv(const std::int16_t* y, const std::int16_t* u, const std::int16_t* v,
                       const ColorMatrix& matrix, int count, RgbRows out) {
  const loops::PairedMatrix m = loops::paired(matrix);
  const Weights w = weights_of(m);
  if (!m.fits || count < 32) return loops::yuv(y, u, v, matrix, count, out);
  for (int next = 0; next < count; next += 32) {
    const int x = std::min(next, count - 32);  // the last ones twice
    const YuvPairs a = pairs(y + x, u + x, v + x);
    const YuvPairs b = pairs(y + x + 16, u + x + 16, v + x + 16);
    store_bytes(_mm256_packs_epi32(red(a.v_low, w), red(a.v_high, w)),
                _mm256_packs_epi32(red(b.v_low, w), red(b.v_high, w)), out.r + x);
    store_bytes(_mm256_packs_epi32(green(a.u_low, a.v_low, w), green(a.u_high, a.v_high, w)),
                _mm256_packs_epi32(green(b.u_low, b.v_low, w), green(b.u_high, b.v_high, w)),
                out.g + x);
    store_bytes(_mm256_packs_epi32(blue(a.u_low, w), blue(a.u_high, w)),
                _mm256_packs_epi32(blue(b.u_low, w), blue(b.u_high, w)), out.b + x);
  }
}

// 16 pixels: each third of the 48 bytes picks its own from all three rows.
DEEPSPORT_SET inline void store_pixels(__m128i r, __m128i g, __m128i b, std::uint8_t* out) {
  const __m128i r0 = _mm_setr_epi8(0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1, 5);
  const __m128i g0 = _mm_setr_epi8(-1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1);
  const __m128i b0 = _mm_setr_epi8(-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1);
  const __m128i r1 = _mm_setr_epi8(-1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10, -1);
  const __m128i g1 = _mm_setr_epi8(5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10);
  const __m128i b1 = _mm_setr_epi8(-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1);
  const __m128i r2 = _mm_setr_epi8(-1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1, -1);
  const __m128i g2 = _mm_setr_epi8(-1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1);
  const __m128i b2 = _mm_setr_epi8(10, -1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15);
  auto* to = reinterpret_cast<__m128i*>(out);
  _mm_storeu_si128(to, _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(r, r0), _mm_shuffle_epi8(g, g0)),
                                    _mm_shuffle_epi8(b, b0)));
  _mm_storeu_si128(to + 1,
                   _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(r, r1), _mm_shuffle_epi8(g, g1)),
                                _mm_shuffle_epi8(b, b1)));
  _mm_storeu_si128(to + 2,
                   _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(r, r2), _mm_shuffle_epi8(g, g2)),
                                _mm_shuffle_epi8(b, b2)));
}

DEEPSPORT_SET void interleave(RgbRows from, int count, std::uint8_t* out) {
  int x = 0;
  for (; x + 16 <= count; x += 16) {
    store_pixels(load128(from.r + x), load128(from.g + x), load128(from.b + x),
                 out + std::ptrdiff_t{3} * x);
  }
  loops::interleave({from.r + x, from.g + x, from.b + x}, count - x, out + std::ptrdiff_t{3} * x);
}

// Which bytes of each third of 48 each colour takes, for samples of so many bytes.
struct SplitOrder {
  alignas(16) std::int8_t pick[3][3][16];  // (colour, third, byte)
};
template <int Size>
constexpr SplitOrder order_of_split() {
  SplitOrder order{};
  for (int colour = 0; colour < 3; ++colour) {
    for (int at = 0; at < 16; ++at) {
      const int from = (at / Size * 3 + colour) * Size + at % Size;
      for (int third = 0; third < 3; ++third) {
        order.pick[colour][third][at] =
            from / 16 == third ? static_cast<std::int8_t>(from % 16) : std::int8_t{-1};
      }
    }
  }
  return order;
}
template <typename T>
DEEPSPORT_SET inline void split(const T* pixels, int count, T* r, T* g, T* b) {
  static constexpr SplitOrder kOrder = order_of_split<sizeof(T)>();
  constexpr int kStep = 16 / sizeof(T);
  T* const out[3] = {r, g, b};
  int x = 0;
  for (; x + kStep <= count; x += kStep) {
    const T* from = pixels + std::ptrdiff_t{3} * x;
    const __m128i thirds[3] = {load128(from), load128(from + kStep), load128(from + 2 * kStep)};
    for (int c = 0; c < 3; ++c) {
      __m128i all = _mm_shuffle_epi8(thirds[0], load128(kOrder.pick[c][0]));
      all = _mm_or_si128(all, _mm_shuffle_epi8(thirds[1], load128(kOrder.pick[c][1])));
      all = _mm_or_si128(all, _mm_shuffle_epi8(thirds[2], load128(kOrder.pick[c][2])));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out[c] + x), all);
    }
  }
  loops::split(pixels, x, count, r, g, b);
}
DEEPSPORT_SET void split8(const std::uint8_t* pixels, int count, RgbRows out) {
  split(pixels, count, out.r, out.g, out.b);
}
DEEPSPORT_SET void split16(const std::int16_t* pixels, int count, std::int16_t* const (&out)[3]) {
  split(pixels, count, out[0], out[1], out[2]);
}

struct ByteWeights {
  __m256i luma_even, luma_odd, red, green, blue, add_red, add_green, add_blue;
};
// What chroma adds to each colour of the two pixels of a lane, or of one of them.
struct Chroma {
  __m256i red, green, blue;
};
DEEPSPORT_SET inline Chroma chroma_of(__m256i u, __m256i v, const ByteWeights& w) {
  const __m256i both = _mm256_or_si256(u, _mm256_slli_epi32(v, 16));
  const __m256i twice = _mm256_or_si256(u, _mm256_slli_epi32(u, 16));
  return {_mm256_add_epi32(_mm256_madd_epi16(both, w.red), w.add_red),
          _mm256_add_epi32(_mm256_madd_epi16(both, w.green), w.add_green),
          _mm256_add_epi32(_mm256_madd_epi16(twice, w.blue), w.add_blue)};
}
// The upper halves of both, side by side.
DEEPSPORT_SET inline __m256i upper(__m256i even, __m256i odd) {
  return _mm256_blend_epi16(_mm256_srli_epi32(even, 16), odd, 0xAA);
}
struct Words {
  __m256i r, g, b;
};
// 16 pixels.
template <int Repeat>
DEEPSPORT_SET inline Words words_of(const std::uint8_t* y, const std::uint8_t* u,
                                    const std::uint8_t* v, const ByteWeights& w) {
  const __m256i luma = _mm256_slli_epi16(_mm256_cvtepu8_epi16(load128(y)), loops::kByteBits);
  const __m256i even = _mm256_madd_epi16(luma, w.luma_even);
  const __m256i odd = _mm256_madd_epi16(luma, w.luma_odd);
  Chroma a, b;
  if constexpr (Repeat == 1) {
    const __m128i u8 = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(u));
    const __m128i v8 = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(v));
    a = b = chroma_of(_mm256_slli_epi32(_mm256_cvtepu8_epi32(u8), loops::kByteBits),
                      _mm256_slli_epi32(_mm256_cvtepu8_epi32(v8), loops::kByteBits), w);
  } else {
    const __m256i low = _mm256_set1_epi32(0xffff);
    const __m256i us = _mm256_slli_epi16(_mm256_cvtepu8_epi16(load128(u)), loops::kByteBits);
    const __m256i vs = _mm256_slli_epi16(_mm256_cvtepu8_epi16(load128(v)), loops::kByteBits);
    a = chroma_of(_mm256_and_si256(us, low), _mm256_and_si256(vs, low), w);
    b = chroma_of(_mm256_srli_epi32(us, 16), _mm256_srli_epi32(vs, 16), w);
  }
  return {upper(_mm256_add_epi32(even, a.red), _mm256_add_epi32(odd, b.red)),
          upper(_mm256_add_epi32(even, a.green), _mm256_add_epi32(odd, b.green)),
          upper(_mm256_add_epi32(even, a.blue), _mm256_add_epi32(odd, b.blue))};
}
DEEPSPORT_SET inline __m256i bytes_of(__m256i low, __m256i high) {
  return _mm256_permute4x64_epi64(_mm256_packus_epi16(low, high), 0xD8);
}
template <int Repeat>
DEEPSPORT_SET inline int pixels_of(const std::uint8_t* y, const std::uint8_t* u,
                                   const std::uint8_t* v, const ByteWeights& w, int count,
                                   std::uint8_t* out) {
  int x = 0;
  for (; x + 32 <= count; x += 32, out += 96) {
    const int c = x >> Repeat;
    constexpr int kHalf16 = 16 >> Repeat;
    const Words a = words_of<Repeat>(y + x, u + c, v + c, w);
    const Words b = words_of<Repeat>(y + x + 16, u + c + kHalf16, v + c + kHalf16, w);
    const __m256i red = bytes_of(a.r, b.r), green = bytes_of(a.g, b.g), blue = bytes_of(a.b, b.b);
    store_pixels(_mm256_castsi256_si128(red), _mm256_castsi256_si128(green),
                 _mm256_castsi256_si128(blue), out);
    store_pixels(_mm256_extracti128_si256(red, 1), _mm256_extracti128_si256(green, 1),
                 _mm256_extracti128_si256(blue, 1), out + 48);
  }
  return x;
}

DEEPSPORT_SET inline __m256i splat(std::int32_t number) {
  return _mm256_set1_epi32(number);
}
#include "frames/kernel_pixels8.inc"

DEEPSPORT_SET void look_up32(const std::uint8_t* from, int count,
                             const LookUpTable<std::uint32_t>& table, std::uint32_t* out) {
  loops::look_up(from, count, table, out);
}
DEEPSPORT_SET void look_up16(const std::uint8_t* from, int count,
                             const LookUpTable<std::uint16_t>& table, std::uint16_t* out) {
  loops::look_up(from, count, table, out);
}

constexpr Kernels kTable = {"avx2", widen8,     widen16, blend8,  blend16, resample,  yuv,      rgb,
                            stream, interleave, split8,  split16, pixels8, look_up32, look_up16};

}  // namespace
}  // namespace avx2

const Kernels* avx2_kernels() noexcept {
  static const bool has =
      __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("bmi2") != 0;
  return has ? &avx2::kTable : nullptr;
}

}  // namespace deepsport

#else

namespace deepsport {

const Kernels* avx2_kernels() noexcept {
  return nullptr;
}

}  // namespace deepsport

#endif
