// What AVX2 does, with registers twice as wide; permutes of bytes and words look up tables, order
// pixels, and pick the samples that are resampled.
#include "frames/kernel_sets.hpp"

#if defined(__x86_64__) && defined(__GNUC__)

#if !defined(__clang__)
// GCC 12's own header: "may be used uninitialized" of a register whose content does not matter.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cstring>

#include "frames/kernel_loops.hpp"

#if defined(__clang__)
#define DEEPSPORT_SET \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni,bmi2")))
#else
#define DEEPSPORT_SET    \
  __attribute__((target( \
      "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni,bmi2,prefer-vector-width=512")))
#endif

namespace deepsport {
namespace avx512 {
namespace {

#define DEEPSPORT_OWN_STREAM
#define DEEPSPORT_OWN_YUV
#include "frames/kernel_set.inc"

DEEPSPORT_SET inline __m512i samples(const std::uint8_t* from) {
  return _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
DEEPSPORT_SET inline __m512i samples(const std::uint16_t* from) {
  return _mm512_loadu_si512(from);
}

// 32 columns; see kernels_avx2.cpp.
struct Sums {
  __m512i low, high;
};
template <typename T>
DEEPSPORT_SET inline void add_pair(Sums& sums, const T* a, const T* b, __m512i weights) {
  const __m512i p = samples(a), q = samples(b);
  sums.low = _mm512_add_epi32(sums.low, _mm512_madd_epi16(_mm512_unpacklo_epi16(p, q), weights));
  sums.high = _mm512_add_epi32(sums.high, _mm512_madd_epi16(_mm512_unpackhi_epi16(p, q), weights));
}
DEEPSPORT_SET inline void store(const Sums& sums, __m128i by, std::int16_t* out) {
  _mm512_storeu_si512(
      out, _mm512_packs_epi32(_mm512_sra_epi32(sums.low, by), _mm512_sra_epi32(sums.high, by)));
}
DEEPSPORT_SET inline __m512i pair(const std::int16_t* weights, bool single) {
  std::int32_t both = static_cast<std::uint16_t>(*weights);
  if (!single) std::memcpy(&both, weights, sizeof both);
  return _mm512_set1_epi32(both);
}

template <typename T>
DEEPSPORT_SET inline void blend(const T* const* rows, const std::int16_t* weights, int taps,
                                int depth, int count, std::int16_t* out) {
  const __m512i half = _mm512_set1_epi32(loops::blend_half(depth));
  const __m128i by = _mm_cvtsi32_si128(loops::blend_shift(depth));
  int x = 0;
  for (; x + 64 <= count; x += 64) {
    Sums left = {half, half}, right = {half, half};
    for (int k = 0; k < taps; k += 2) {
      const bool single = k + 1 == taps;
      const T *a = rows[k] + x, *b = rows[single ? k : k + 1] + x;
      const __m512i both = pair(weights + k, single);
      add_pair(left, a, b, both);
      add_pair(right, a + 32, b + 32, both);
    }
    store(left, by, out + x);
    store(right, by, out + x + 32);
  }
  if (x < count) loops::blend(rows, weights, taps, depth, x, count, out);
}

// Weights of four rows in every 32-bit lane, a byte each: a weight is 256 times its upper part plus
// its lower one, which is signed too.
struct Quads {
  static constexpr int kMost = 16;
  std::int32_t upper[kMost], lower[kMost];
  int count;
};
// Whether the weights can be had so: few enough, and none whose upper part has more bits.
DEEPSPORT_SET inline bool in_quads(const std::int16_t* weights, int taps, Quads& quads) {
  quads.count = (taps + 3) / 4;
  if (quads.count > Quads::kMost) return false;
  for (int k = 0; k < 4 * quads.count; k += 4) {
    std::int8_t upper[4], lower[4];
    for (int i = 0; i < 4; ++i) {
      const int weight = k + i < taps ? weights[k + i] : 0, up = (weight + 128) >> 8;
      if (up > 127) return false;
      upper[i] = static_cast<std::int8_t>(up);
      lower[i] = static_cast<std::int8_t>(weight - 256 * up);
    }
    std::memcpy(&quads.upper[k / 4], upper, 4);
    std::memcpy(&quads.lower[k / 4], lower, 4);
  }
  return true;
}

// Products of bytes are added four at a time, without loss: 64 columns.
DEEPSPORT_SET void blend8(const std::uint8_t* const* rows, const std::int16_t* weights, int taps,
                          int depth, int count, std::int16_t* out) {
  Quads quads;
  if (!in_quads(weights, taps, quads)) return blend(rows, weights, taps, depth, count, out);
  const __m512i half = _mm512_set1_epi32(loops::blend_half(depth));
  const __m128i by = _mm_cvtsi32_si128(loops::blend_shift(depth));
  const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  int x = 0;
  for (; x + 64 <= count; x += 64) {
    __m512i upper[4], lower[4];
    for (int i = 0; i < 4; ++i) {
      upper[i] = _mm512_setzero_si512();
      lower[i] = half;
    }
    for (int k = 0; k < quads.count; ++k) {
      __m512i row[4];
      for (int i = 0; i < 4; ++i) {
        row[i] = _mm512_loadu_si512(rows[std::min(4 * k + i, taps - 1)] + x);
      }
      const __m512i ab_low = _mm512_unpacklo_epi8(row[0], row[1]);
      const __m512i ab_high = _mm512_unpackhi_epi8(row[0], row[1]);
      const __m512i cd_low = _mm512_unpacklo_epi8(row[2], row[3]);
      const __m512i cd_high = _mm512_unpackhi_epi8(row[2], row[3]);
      const __m512i columns[4] = {
          _mm512_unpacklo_epi16(ab_low, cd_low), _mm512_unpackhi_epi16(ab_low, cd_low),
          _mm512_unpacklo_epi16(ab_high, cd_high), _mm512_unpackhi_epi16(ab_high, cd_high)};
      const __m512i up = _mm512_set1_epi32(quads.upper[k]);
      const __m512i low = _mm512_set1_epi32(quads.lower[k]);
      for (int i = 0; i < 4; ++i) {
        upper[i] = _mm512_dpbusd_epi32(upper[i], columns[i], up);
        lower[i] = _mm512_dpbusd_epi32(lower[i], columns[i], low);
      }
    }
    for (int i = 0; i < 4; ++i) {
      lower[i] = _mm512_sra_epi32(_mm512_add_epi32(_mm512_slli_epi32(upper[i], 8), lower[i]), by);
    }
    const __m512i a = _mm512_packs_epi32(lower[0], lower[1]);
    const __m512i b = _mm512_packs_epi32(lower[2], lower[3]);
    _mm512_storeu_si512(out + x, _mm512_permutex2var_epi64(a, first, b));
    _mm512_storeu_si512(out + x + 32, _mm512_permutex2var_epi64(a, second, b));
  }
  if (x < count) loops::blend(rows, weights, taps, depth, x, count, out);
}
DEEPSPORT_SET void blend16(const std::uint16_t* const* rows, const std::int16_t* weights, int taps,
                           int depth, int count, std::int16_t* out) {
  if (loops::bits_to_lose(depth) == 0) return blend(rows, weights, taps, depth, count, out);
  loops::blend(rows, weights, taps, depth, 0, count, out);
}

// 16 outputs at a time: their first pairs of samples, then their second ones, out of the two
// registers in which all of them lie.
DEEPSPORT_SET void resample(const std::int16_t* row, const Axis& axis, std::int16_t* out) {
  const AxisGroups& groups = axis.groups;
  if (groups.first.empty()) return avx2_kernels()->resample(row, axis, out);
  const __m512i half = _mm512_set1_epi32(1 << (kWeightBits - 1)), two = _mm512_set1_epi16(2);
  const AxisGroups::Pairs* weights = groups.weights.data();
  const int pairs = groups.pairs;
  for (int i = 0; i < axis.output; i += AxisGroups::kGroup) {
    const auto group = static_cast<std::size_t>(i) / AxisGroups::kGroup;
    const std::int16_t* from = row + groups.first[group];
    const __m512i low = _mm512_loadu_si512(from), high = _mm512_loadu_si512(from + 32);
    __m512i place = _mm512_load_si512(&groups.picks[group]), sum = half;
    for (int k = 0; k < pairs; ++k, ++weights) {
      const __m512i samples = _mm512_permutex2var_epi16(low, place, high);
      sum = _mm512_dpwssd_epi32(sum, samples, _mm512_load_si512(weights));
      place = _mm512_add_epi16(place, two);
    }
    const __m256i all = _mm512_cvtsepi32_epi16(_mm512_srai_epi32(sum, kWeightBits));
    const int rest = axis.output - i;
    const auto there = static_cast<__mmask16>(rest >= 16 ? 0xffff : (1 << rest) - 1);
    _mm256_mask_storeu_epi16(out + i, there, all);
  }
}

// 32 pixels: their pairs (Y, U) and (Y, V), in the order that packing undoes.
struct YuvPairs {
  __m512i u_low, u_high, v_low, v_high;
};
DEEPSPORT_SET inline YuvPairs pairs(const std::int16_t* y, const std::int16_t* u,
                                    const std::int16_t* v) {
  const __m512i a = _mm512_loadu_si512(y), b = _mm512_loadu_si512(u), c = _mm512_loadu_si512(v);
  return {_mm512_unpacklo_epi16(a, b), _mm512_unpackhi_epi16(a, b), _mm512_unpacklo_epi16(a, c),
          _mm512_unpackhi_epi16(a, c)};
}

struct Weights {
  __m512i red, green_u, green_v, blue, blue_rest, add_red, add_green, add_blue;
};
DEEPSPORT_SET inline Weights weights_of(const loops::PairedMatrix& m) {
  return {_mm512_set1_epi32(loops::lane(m.luma, m.red_v)),
          _mm512_set1_epi32(loops::lane(m.luma, m.green_u)),
          _mm512_set1_epi32(loops::lane(0, m.green_v)),
          _mm512_set1_epi32(loops::lane(m.luma, m.blue_u)),
          _mm512_set1_epi32(loops::lane(0, m.blue_rest)),
          _mm512_set1_epi32(m.red),
          _mm512_set1_epi32(m.green),
          _mm512_set1_epi32(m.blue)};
}

constexpr int kToByte = loops::kToByte + kGainBits;
DEEPSPORT_SET inline __m512i red(__m512i v, const Weights& w) {
  return _mm512_srai_epi32(_mm512_add_epi32(_mm512_madd_epi16(v, w.red), w.add_red), kToByte);
}
DEEPSPORT_SET inline __m512i green(__m512i u, __m512i v, const Weights& w) {
  const __m512i sum =
      _mm512_add_epi32(_mm512_madd_epi16(u, w.green_u), _mm512_madd_epi16(v, w.green_v));
  return _mm512_srai_epi32(_mm512_add_epi32(sum, w.add_green), kToByte);
}
DEEPSPORT_SET inline __m512i blue(__m512i u, const Weights& w) {
  const __m512i rest = _mm512_slli_epi32(_mm512_madd_epi16(u, w.blue_rest), 1);
  const __m512i sum = _mm512_add_epi32(_mm512_madd_epi16(u, w.blue), rest);
  return _mm512_srai_epi32(_mm512_add_epi32(sum, w.add_blue), kToByte);
}
DEEPSPORT_SET inline void store_bytes(__m512i low, __m512i high, std::uint8_t* out) {
  const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
  _mm512_storeu_si512(out, _mm512_permutexvar_epi64(order, _mm512_packus_epi16(low, high)));
}

DEEPSPORT_SET void yuv(const std::int16_t* y, const std::int16_t* u, const std::int16_t* v,
                       const ColorMatrix& matrix, int count, RgbRows out) {
  const loops::PairedMatrix m = loops::paired(matrix);
  const Weights w = weights_of(m);
  if (!m.fits || count < 64) return loops::yuv(y, u, v, matrix, count, out);
  for (int next = 0; next < count; next += 64) {
    const int x = std::min(next, count - 64);  // the last ones twice
    const YuvPairs a = pairs(y + x, u + x, v + x);
    const YuvPairs b = pairs(y + x + 32, u + x + 32, v + x + 32);
    store_bytes(_mm512_packs_epi32(red(a.v_low, w), red(a.v_high, w)),
                _mm512_packs_epi32(red(b.v_low, w), red(b.v_high, w)), out.r + x);
    store_bytes(_mm512_packs_epi32(green(a.u_low, a.v_low, w), green(a.u_high, a.v_high, w)),
                _mm512_packs_epi32(green(b.u_low, b.v_low, w), green(b.u_high, b.v_high, w)),
                out.g + x);
    store_bytes(_mm512_packs_epi32(blue(a.u_low, w), blue(a.u_high, w)),
                _mm512_packs_epi32(blue(b.u_low, w), blue(b.u_high, w)), out.b + x);
  }
}

// Pixels straight from bytes; see kernels_avx2.cpp.
struct ByteWeights {
  __m512i luma_even, luma_odd, red, green, blue, add_red, add_green, add_blue;
};
struct Chroma {
  __m512i red, green, blue;
};
DEEPSPORT_SET inline Chroma chroma_of(__m512i u, __m512i v, const ByteWeights& w) {
  const __m512i both = _mm512_or_si512(u, _mm512_slli_epi32(v, 16));
  const __m512i twice = _mm512_or_si512(u, _mm512_slli_epi32(u, 16));
  return {_mm512_add_epi32(_mm512_madd_epi16(both, w.red), w.add_red),
          _mm512_add_epi32(_mm512_madd_epi16(both, w.green), w.add_green),
          _mm512_add_epi32(_mm512_madd_epi16(twice, w.blue), w.add_blue)};
}
DEEPSPORT_SET inline __m512i upper(__m512i even, __m512i odd) {
  return _mm512_mask_mov_epi16(_mm512_srli_epi32(even, 16), 0xAAAAAAAA, odd);
}
DEEPSPORT_SET inline __m512i wide_bytes(const std::uint8_t* from) {
  return _mm512_slli_epi16(samples(from), loops::kByteBits);
}
DEEPSPORT_SET inline __m512i wider_bytes(const std::uint8_t* from) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return _mm512_slli_epi32(_mm512_cvtepu8_epi32(bytes), loops::kByteBits);
}
struct Words {
  __m512i r, g, b;
};
// 32 pixels.
template <int Repeat>
DEEPSPORT_SET inline Words words_of(const std::uint8_t* y, const std::uint8_t* u,
                                    const std::uint8_t* v, const ByteWeights& w) {
  const __m512i luma = wide_bytes(y);
  const __m512i even = _mm512_madd_epi16(luma, w.luma_even);
  const __m512i odd = _mm512_madd_epi16(luma, w.luma_odd);
  Chroma a, b;
  if constexpr (Repeat == 1) {
    a = b = chroma_of(wider_bytes(u), wider_bytes(v), w);
  } else {
    const __m512i low = _mm512_set1_epi32(0xffff), us = wide_bytes(u), vs = wide_bytes(v);
    a = chroma_of(_mm512_and_si512(us, low), _mm512_and_si512(vs, low), w);
    b = chroma_of(_mm512_srli_epi32(us, 16), _mm512_srli_epi32(vs, 16), w);
  }
  return {upper(_mm512_add_epi32(even, a.red), _mm512_add_epi32(odd, b.red)),
          upper(_mm512_add_epi32(even, a.green), _mm512_add_epi32(odd, b.green)),
          upper(_mm512_add_epi32(even, a.blue), _mm512_add_epi32(odd, b.blue))};
}

// Which bytes each third of 64 pixels takes from R and G, and from B, as packing leaves them:
// quarters of 8 pixels, by turns of the lower and the upper 32.
struct PixelOrder64 {
  alignas(64) std::uint8_t red_green[3][64], blue[3][64];
  __mmask64 is_blue[3];
};
constexpr PixelOrder64 order_of_pixels() {
  PixelOrder64 order{};
  for (int i = 0; i < 192; ++i) {
    const int third = i / 64, at = i % 64, pixel = i / 3, colour = i % 3;
    const int packed = pixel % 32 / 8 * 16 + pixel / 32 * 8 + pixel % 8;
    order.red_green[third][at] = static_cast<std::uint8_t>(packed + (colour == 1 ? 64 : 0));
    order.blue[third][at] = static_cast<std::uint8_t>(packed);
    if (colour == 2) order.is_blue[third] |= __mmask64{1} << at;
  }
  return order;
}
constexpr PixelOrder64 kOrder = order_of_pixels();

template <int Repeat>
DEEPSPORT_SET inline int pixels_of(const std::uint8_t* y, const std::uint8_t* u,
                                   const std::uint8_t* v, const ByteWeights& w, int count,
                                   std::uint8_t* out) {
  int x = 0;
  for (; x + 64 <= count; x += 64, out += 192) {
    const int c = x >> Repeat;
    constexpr int kHalf32 = 32 >> Repeat;
    const Words a = words_of<Repeat>(y + x, u + c, v + c, w);
    const Words b = words_of<Repeat>(y + x + 32, u + c + kHalf32, v + c + kHalf32, w);
    const __m512i red = _mm512_packus_epi16(a.r, b.r), green = _mm512_packus_epi16(a.g, b.g);
    const __m512i blue = _mm512_packus_epi16(a.b, b.b);
    for (int third = 0; third < 3; ++third) {
      const __m512i two =
          _mm512_permutex2var_epi8(red, _mm512_load_si512(kOrder.red_green[third]), green);
      const __m512i all = _mm512_mask_permutexvar_epi8(two, kOrder.is_blue[third],
                                                       _mm512_load_si512(kOrder.blue[third]), blue);
      _mm512_storeu_si512(out + 64 * third, all);
    }
  }
  return x;
}

DEEPSPORT_SET inline __m512i splat(std::int32_t number) {
  return _mm512_set1_epi32(number);
}
#include "frames/kernel_pixels8.inc"

// Which bytes of 192 each colour takes, for samples of so many bytes: of the first two thirds, and
// of the last.
struct SplitOrder {
  alignas(64) std::uint8_t before[3][64], last[3][64];
  __mmask64 is_last[3];
};
template <int Size>
constexpr SplitOrder order_of_split() {
  SplitOrder order{};
  for (int colour = 0; colour < 3; ++colour) {
    for (int at = 0; at < 64; ++at) {
      const int from = (at / Size * 3 + colour) * Size + at % Size;
      order.before[colour][at] = static_cast<std::uint8_t>(from % 128);
      order.last[colour][at] = static_cast<std::uint8_t>(from % 64);
      if (from >= 128) order.is_last[colour] |= __mmask64{1} << at;
    }
  }
  return order;
}
template <typename T>
DEEPSPORT_SET inline void split(const T* pixels, int count, T* r, T* g, T* b) {
  static constexpr SplitOrder kSplit = order_of_split<sizeof(T)>();
  constexpr int kStep = 64 / sizeof(T);
  T* const out[3] = {r, g, b};
  int x = 0;
  for (; x + kStep <= count; x += kStep) {
    const T* from = pixels + std::ptrdiff_t{3} * x;
    const __m512i first = _mm512_loadu_si512(from), second = _mm512_loadu_si512(from + kStep);
    const __m512i last = _mm512_loadu_si512(from + 2 * kStep);
    for (int c = 0; c < 3; ++c) {
      const __m512i before =
          _mm512_permutex2var_epi8(first, _mm512_load_si512(kSplit.before[c]), second);
      _mm512_storeu_si512(out[c] + x,
                          _mm512_mask_permutexvar_epi8(before, kSplit.is_last[c],
                                                       _mm512_load_si512(kSplit.last[c]), last));
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

// A table of 256 bytes in four registers; byte 7 of the index chooses the half.
struct ByteTable {
  __m512i part[4];
};
DEEPSPORT_SET inline __m512i look_up(const ByteTable& table, __m512i index, __mmask64 upper) {
  const __m512i low = _mm512_permutex2var_epi8(table.part[0], index, table.part[1]);
  return _mm512_mask_mov_epi8(low, upper,
                              _mm512_permutex2var_epi8(table.part[2], index, table.part[3]));
}

DEEPSPORT_SET inline ByteTable load(const std::uint8_t* bytes) {
  ByteTable table;
  for (int i = 0; i < 4; ++i) table.part[i] = _mm512_load_si512(bytes + 64 * i);
  return table;
}

// The first `count` of 64 lanes.
DEEPSPORT_SET inline __mmask64 first(int count) {
  return count >= 64 ? ~__mmask64{0} : (__mmask64{1} << count) - 1;
}

DEEPSPORT_SET void look_up16(const std::uint8_t* from, int count,
                             const LookUpTable<std::uint16_t>& table, std::uint16_t* out) {
  const ByteTable low = load(table.bytes[0]), high = load(table.bytes[1]);
  // unpacking works within quarters: put those in an order that makes the result run on
  const __m512i order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
  for (int x = 0; x < count; x += 64) {
    const __mmask64 there = first(count - x);
    const __m512i index = _mm512_permutexvar_epi64(order, _mm512_maskz_loadu_epi8(there, from + x));
    const __mmask64 upper = _mm512_movepi8_mask(index);
    const __m512i a = look_up(low, index, upper), b = look_up(high, index, upper);
    const __m512i words[2] = {_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b)};
    for (int i = 0; i < 2; ++i) {
      _mm512_mask_storeu_epi16(out + x + 32 * i, static_cast<__mmask32>(there >> (32 * i)),
                               words[i]);
    }
  }
}

DEEPSPORT_SET void look_up32(const std::uint8_t* from, int count,
                             const LookUpTable<std::uint32_t>& table, std::uint32_t* out) {
  const ByteTable bytes[4] = {load(table.bytes[0]), load(table.bytes[1]), load(table.bytes[2]),
                              load(table.bytes[3])};
  // four samples to each quarter's first four bytes, and so on
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  for (int x = 0; x < count; x += 64) {
    const __mmask64 there = first(count - x);
    const __m512i index = _mm512_permutexvar_epi32(order, _mm512_maskz_loadu_epi8(there, from + x));
    const __mmask64 upper = _mm512_movepi8_mask(index);
    __m512i b[4];
    for (int i = 0; i < 4; ++i) b[i] = look_up(bytes[i], index, upper);
    const __m512i low0 = _mm512_unpacklo_epi8(b[0], b[1]), high0 = _mm512_unpacklo_epi8(b[2], b[3]);
    const __m512i low1 = _mm512_unpackhi_epi8(b[0], b[1]), high1 = _mm512_unpackhi_epi8(b[2], b[3]);
    const __m512i words[4] = {
        _mm512_unpacklo_epi16(low0, high0), _mm512_unpackhi_epi16(low0, high0),
        _mm512_unpacklo_epi16(low1, high1), _mm512_unpackhi_epi16(low1, high1)};
    for (int i = 0; i < 4; ++i) {
      _mm512_mask_storeu_epi32(out + x + 16 * i, static_cast<__mmask16>(there >> (16 * i)),
                               words[i]);
    }
  }
}

Kernels table() noexcept {
  Kernels all = *avx2_kernels();
  all.name = "avx512";
  all.widen8 = widen8;
  all.widen16 = widen16;
  all.blend8 = blend8;
  all.blend16 = blend16;
  all.resample = resample;
  all.yuv = yuv;
  all.rgb = rgb;
  all.split8 = split8;
  all.split16 = split16;
  all.pixels8 = pixels8;
  all.look_up32 = look_up32;
  all.look_up16 = look_up16;
  return all;
}

bool has() noexcept {
  return avx2_kernels() != nullptr && __builtin_cpu_supports("avx512f") != 0 &&
         __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512vbmi") != 0 &&
         __builtin_cpu_supports("avx512vnni") != 0;
}

}  // namespace
}  // namespace avx512

const Kernels* avx512_kernels() noexcept {
  static const bool has = avx512::has();
  if (!has) return nullptr;
  static const Kernels all = avx512::table();
  return &all;
}

}  // namespace deepsport

#else

namespace deepsport {

const Kernels* avx512_kernels() noexcept {
  return nullptr;
}

}  // namespace deepsport

#endif
