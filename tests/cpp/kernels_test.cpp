// The conversion kernels: every set of instructions agrees with the plain loops to the bit, weights
// add up. Needs nothing of FFmpeg, so that it is also built for ARM and run under an emulator:
// nox -s neon.
#include "frames/kernels.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <string>

#include "frames/axis.hpp"

namespace deepsport {
namespace {

TEST(Axis, WeightsOfEveryOutputAddUpToOne) {
  for (const int input : {1, 2, 7, 56, 720, 1919}) {
    for (const int output : {1, 3, 56, 588, 2000}) {
      for (const int subsampling : {0, 1, 2}) {
        const int samples = (input + (1 << subsampling) - 1) >> subsampling;
        const Axis axis = make_axis(input, output, subsampling, samples);
        for (int i = 0; i < output; ++i) {
          const auto begin = axis.weights.begin() + std::ptrdiff_t{i} * axis.taps;
          EXPECT_EQ(std::accumulate(begin, begin + axis.taps, 0), 1 << kWeightBits);
          EXPECT_GE(axis.first[static_cast<std::size_t>(i)], 0);
          EXPECT_LE(
              axis.first[static_cast<std::size_t>(i)] + axis.count[static_cast<std::size_t>(i)],
              samples);
        }
      }
    }
  }
}

// Every set of instructions that this machine has, beside the plain loops.
std::vector<const Kernels*> vector_sets() {
  std::vector<const Kernels*> sets;
  for (const auto set : {InstructionSet::kAvx2, InstructionSet::kAvx512, InstructionSet::kNeon}) {
    if (const Kernels* found = kernels_of(set)) sets.push_back(found);
  }
  return sets;
}
const Kernels& plain() {
  return *kernels_of(InstructionSet::kScalar);
}
std::vector<const Kernels*> every_set() {
  std::vector<const Kernels*> sets = vector_sets();
  sets.push_back(&plain());
  return sets;
}
constexpr int kCounts[] = {1, 15, 16, 33, 64, 200, 588};

template <typename T>
std::vector<T> random_row(std::size_t count, int low, int high, std::mt19937& random) {
  std::uniform_int_distribution<int> value(low, high);
  std::vector<T> row(count);
  for (T& one : row) one = static_cast<T>(value(random));
  return row;
}

template <typename T, typename Blend>
void compare_blend(const Kernels& set, Blend blend, int depth, std::mt19937& random) {
  std::uniform_int_distribution<int> weight(-3000, 9000);
  for (const int count : kCounts) {
    for (const int taps : {1, 2, 5, 14, 70}) {
      const auto size = static_cast<std::size_t>(count);
      std::vector<std::vector<T>> rows(static_cast<std::size_t>(taps));
      std::vector<const T*> pointers;
      std::vector<std::int16_t> weights;
      for (auto& row : rows) {
        row = random_row<T>(size, 0, (1 << depth) - 1, random);
        pointers.push_back(row.data());
        weights.push_back(static_cast<std::int16_t>(weight(random) / taps));
      }
      std::vector<std::int16_t> found(size), want(size);
      (set.*blend)(pointers.data(), weights.data(), taps, depth, count, found.data());
      (plain().*blend)(pointers.data(), weights.data(), taps, depth, count, want.data());
      EXPECT_EQ(found, want) << set.name << " depth " << depth << " count " << count;
    }
  }
}

TEST(Kernels, BlendIsThatOfThePlainLoops) {
  std::mt19937 random(1);
  for (const Kernels* set : vector_sets()) {
    compare_blend<std::uint8_t>(*set, &Kernels::blend8, 8, random);
    compare_blend<std::uint16_t>(*set, &Kernels::blend16, 10, random);
    compare_blend<std::uint16_t>(*set, &Kernels::blend16, 14, random);
    compare_blend<std::uint16_t>(*set, &Kernels::blend16, 16, random);
  }
}

TEST(Kernels, ResampleIsThatOfThePlainLoops) {
  std::mt19937 random(2);
  for (const int input : {9, 300, 1280, 1920}) {
    for (const int output : {5, 8, 56, 588, 616, 2500}) {
      const Axis axis = make_axis(input, output, 0, input);
      auto row = random_row<std::int16_t>(static_cast<std::size_t>(input), -2000, 20000, random);
      row.resize(row.size() + static_cast<std::size_t>(axis.reach()));
      std::vector<std::int16_t> found(static_cast<std::size_t>(output)), want(found);
      plain().resample(row.data(), axis, want.data());
      for (const Kernels* set : vector_sets()) {
        found.assign(static_cast<std::size_t>(output) + 1, 77);
        set->resample(row.data(), axis, found.data());
        EXPECT_EQ(found.back(), 77) << set->name << " wrote behind " << output;
        found.pop_back();
        EXPECT_EQ(found, want) << set->name << " " << input << " -> " << output;
      }
    }
  }
}

TEST(Kernels, WideningIsThatOfThePlainLoops) {
  std::mt19937 random(3);
  for (const Kernels* set : vector_sets()) {
    for (const int count : kCounts) {
      for (const int repeat : {0, 1, 2}) {
        const auto size = static_cast<std::size_t>(count);
        const auto bytes = random_row<std::uint8_t>(size, 0, 255, random);
        std::vector<std::int16_t> found(size), want(size);
        set->widen8(bytes.data(), 8, repeat, count, found.data());
        plain().widen8(bytes.data(), 8, repeat, count, want.data());
        EXPECT_EQ(found, want) << set->name;
        for (const int depth : {10, 14, 16}) {
          const auto words = random_row<std::uint16_t>(size, 0, (1 << depth) - 1, random);
          set->widen16(words.data(), depth, repeat, count, found.data());
          plain().widen16(words.data(), depth, repeat, count, want.data());
          EXPECT_EQ(found, want) << set->name << " depth " << depth;
        }
      }
    }
  }
}

struct Colours {
  explicit Colours(std::size_t size) : r(size), g(size), b(size) {}
  RgbRows rows() {
    return {r.data(), g.data(), b.data()};
  }
  bool operator==(const Colours& o) const {
    return r == o.r && g == o.g && b == o.b;
  }
  std::vector<std::uint8_t> r, g, b;
};

// Samples reach beyond their range, as bicubic overshoot does.
TEST(Kernels, ColoursAreThoseOfThePlainLoops) {
  std::mt19937 random(4);
  const ColorMatrix bt709 = {16 << 6, 19077, 29372, -3494, -8731, 34610};
  const ColorMatrix beyond = {16 << 6, 19077, 40000, -3494, -8731, 34610};  // no such standard
  for (const Kernels* set : vector_sets()) {
    for (const int count : kCounts) {
      const auto size = static_cast<std::size_t>(count);
      const auto a = random_row<std::int16_t>(size, -6000, 22000, random);
      const auto b = random_row<std::int16_t>(size, -6000, 22000, random);
      const auto c = random_row<std::int16_t>(size, -6000, 22000, random);
      Colours found(size), want(size);
      set->yuv(a.data(), b.data(), c.data(), bt709, count, found.rows());
      plain().yuv(a.data(), b.data(), c.data(), bt709, count, want.rows());
      EXPECT_TRUE(found == want) << set->name << " " << count;
      set->yuv(a.data(), b.data(), c.data(), beyond, count, found.rows());
      plain().yuv(a.data(), b.data(), c.data(), beyond, count, want.rows());
      EXPECT_TRUE(found == want) << set->name << " " << count;
      for (const int gain : {16384, 16448}) {
        set->rgb(a.data(), b.data(), c.data(), gain, count, found.rows());
        plain().rgb(a.data(), b.data(), c.data(), gain, count, want.rows());
        EXPECT_TRUE(found == want) << set->name << " " << count << " gain " << gain;
      }
      std::vector<std::uint8_t> pixels(3 * size), wanted(3 * size);
      set->interleave(want.rows(), count, pixels.data());
      plain().interleave(want.rows(), count, wanted.data());
      EXPECT_EQ(pixels, wanted) << set->name << " " << count;
    }
  }
}

// Every value of a byte, widths with and without a rest, rows that begin anywhere.
TEST(Kernels, PixelsFromBytesAreThoseOfTheSingleSteps) {
  std::mt19937 random(6);
  const ColorMatrix matrices[] = {
      {16 << 6, 19077, 29372, -3494, -8731, 34610},  // BT.709, limited
      {16 << 6, 19077, 26149, -6419, -13320, 33050},
      {0, 16384, 22970, -5638, -11700, 29032},  // BT.601, full
      {16 << 6, 19077, 40000, -3494, -8731, 34610},
      {7, 19077, 29372, -3494, -8731, 34610},  // no such standards
  };
  for (const Kernels* set : every_set()) {
    for (const ColorMatrix& matrix : matrices) {
      for (const int count : {1, 2, 31, 32, 33, 63, 64, 127, 130, 199, 513, 1280}) {
        for (const int repeat : {0, 1}) {
          const auto size = static_cast<std::size_t>(count);
          const std::size_t begin = random() % 64;
          std::vector<std::uint8_t> samples[3];
          std::vector<std::int16_t> wide[3];
          for (int i = 0; i < 3; ++i) {
            const int times = i == 0 ? 0 : repeat;
            // no byte behind the row's last: reading it is an error
            samples[i] =
                random_row<std::uint8_t>(begin + ((size + times) >> times), 0, 255, random);
            wide[i].resize(size);
            plain().widen8(samples[i].data() + begin, 8, times, count, wide[i].data());
          }
          Colours colours(size);
          plain().yuv(wide[0].data(), wide[1].data(), wide[2].data(), matrix, count,
                      colours.rows());
          std::vector<std::uint8_t> want(3 * size), found(begin + 3 * size + 1, 77);
          plain().interleave(colours.rows(), count, want.data());
          set->pixels8(samples[0].data() + begin, samples[1].data() + begin,
                       samples[2].data() + begin, repeat, matrix, count, found.data() + begin);
          EXPECT_EQ(found.back(), 77) << set->name << " wrote behind " << count;
          found.pop_back();
          found.erase(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(begin));
          EXPECT_EQ(found, want) << set->name << " " << count << " repeat " << repeat;
        }
      }
    }
  }
}

TEST(Kernels, StreamingCopiesWhateverItsPlaceAndLength) {
  std::mt19937 random(8);
  for (const Kernels* set : every_set()) {
    for (const std::size_t offset : {0, 1, 8, 16, 24}) {
      for (const std::size_t bytes : {1, 8, 16, 196, 392, 784, 1024}) {
        const auto from = random_row<std::uint8_t>(bytes, 0, 255, random);
        alignas(64) std::uint8_t to[1100] = {};
        set->stream(from.data(), bytes, to + offset);
        EXPECT_EQ(std::vector<std::uint8_t>(to + offset, to + offset + bytes), from) << set->name;
        EXPECT_EQ(to[offset + bytes], 0) << set->name;
      }
    }
  }
}

template <typename T, typename Split>
void compare_split(Split split, const char* name, std::mt19937& random) {
  for (const int count : {1, 7, 8, 15, 31, 32, 33, 64, 65, 200}) {
    const auto size = static_cast<std::size_t>(count);
    const auto pixels = random_row<T>(3 * size, -100, 20000, random);
    std::vector<T> found[3];
    for (auto& row : found) row.assign(size + 1, T{77});
    split(pixels.data(), count, found[0].data(), found[1].data(), found[2].data());
    for (std::size_t c = 0; c < 3; ++c) {
      for (std::size_t x = 0; x < size; ++x) {
        ASSERT_EQ(found[c][x], pixels[3 * x + c]) << name << " at " << x << " of " << count;
      }
      EXPECT_EQ(found[c][size], T{77}) << name << " wrote behind " << count;
    }
  }
}

TEST(Kernels, SplittingPixelsKeepsEveryColour) {
  std::mt19937 random(7);
  for (const Kernels* set : every_set()) {
    compare_split<std::uint8_t>(
        [&](const std::uint8_t* pixels, int count, std::uint8_t* r, std::uint8_t* g,
            std::uint8_t* b) { set->split8(pixels, count, {r, g, b}); },
        set->name, random);
    compare_split<std::int16_t>(
        [&](const std::int16_t* pixels, int count, std::int16_t* r, std::int16_t* g,
            std::int16_t* b) { set->split16(pixels, count, {r, g, b}); },
        set->name, random);
  }
}

template <typename Word, typename LookUp>
void compare_look_up(const Kernels& set, LookUp look_up, std::mt19937& random) {
  LookUpTable<Word> table;
  for (int value = 0; value < 256; ++value) table.set(value, static_cast<Word>(random()));
  for (const int count : kCounts) {
    const auto size = static_cast<std::size_t>(count);
    const auto from = random_row<std::uint8_t>(size, 0, 255, random);
    std::vector<Word> found(size + 1, Word{77});
    (set.*look_up)(from.data(), count, table, found.data());
    for (std::size_t x = 0; x < size; ++x) {
      ASSERT_EQ(found[x], table.words[from[x]]) << set.name << " at " << x << " of " << count;
    }
    EXPECT_EQ(found[size], Word{77}) << set.name << " wrote behind " << count;
  }
}

TEST(Kernels, LookingUpFindsTheWordOfEveryByte) {
  std::mt19937 random(5);
  for (const Kernels* set : vector_sets()) {
    compare_look_up<std::uint32_t>(*set, &Kernels::look_up32, random);
    compare_look_up<std::uint16_t>(*set, &Kernels::look_up16, random);
  }
}

// A CI machine or emulator that was meant to have a set must not pass by having none.
TEST(Kernels, TheExpectedSetIsThere) {
  const char* expected = std::getenv("DEEPSPORT_EXPECTED_SIMD");
  if (expected == nullptr) GTEST_SKIP() << "DEEPSPORT_EXPECTED_SIMD names no set";
  EXPECT_EQ(kernels().name, std::string(expected));
}

}  // namespace
}  // namespace deepsport
