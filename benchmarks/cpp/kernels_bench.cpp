// The conversion kernels, one row each with every set of instructions this machine has, and whole
// pictures to what models take.
//
//   cmake --build build/core --target kernels_bench && build/core/benchmarks/cpp/kernels_bench
#include <benchmark/benchmark.h>

#include <random>
#include <string>

#include "frames/color.hpp"
#include "frames/convert.hpp"
#include "frames/kernels.hpp"
#include "frames/picture_writer.hpp"

namespace deepsport {
namespace {

constexpr int kFullWidth = 1920, kFullHeight = 1080, kWidth = 588, kHeight = 336;

template <typename T>
std::vector<T> noise(std::size_t count, int low, int high) {
  std::mt19937 random(1);
  std::uniform_int_distribution<int> value(low, high);
  std::vector<T> row(count);
  for (T& one : row) one = static_cast<T>(value(random));
  return row;
}

ffmpeg::FramePtr picture(AVPixelFormat format, int width, int height) {
  auto frame = ffmpeg::make_frame();
  frame->format = format;
  frame->width = width;
  frame->height = height;
  frame->colorspace = AVCOL_SPC_BT709;
  if (av_frame_get_buffer(frame.get(), 0) < 0) std::abort();
  std::mt19937 random(2);
  for (int p = 0; p < 3 && frame->data[p] != nullptr; ++p) {
    const int rows = p == 0 ? height : height / 2;
    for (int i = 0; i < frame->linesize[p] * rows; ++i) {
      frame->data[p][i] = static_cast<std::uint8_t>(random() >> 24);
    }
  }
  return frame;
}

void blend(benchmark::State& state, const Kernels& set) {
  const auto row = noise<std::uint8_t>(kFullWidth, 0, 255);
  const std::vector<const std::uint8_t*> rows(13, row.data());
  const std::vector<std::int16_t> weights(13, 1260);
  std::vector<std::int16_t> out(kFullWidth);
  for (auto _ : state) {
    set.blend8(rows.data(), weights.data(), 13, 8, kFullWidth, out.data());
    benchmark::DoNotOptimize(out.data());
  }
}

void resample(benchmark::State& state, const Kernels& set) {
  const Axis axis = make_axis(kFullWidth, kWidth, 0, kFullWidth);
  const auto row =
      noise<std::int16_t>(kFullWidth + static_cast<std::size_t>(axis.reach()), 0, 255 << 6);
  std::vector<std::int16_t> out(kWidth);
  for (auto _ : state) {
    set.resample(row.data(), axis, out.data());
    benchmark::DoNotOptimize(out.data());
  }
}

void yuv(benchmark::State& state, const Kernels& set) {
  const auto row = noise<std::int16_t>(kWidth, 0, 255 << 6);
  std::vector<std::uint8_t> r(kWidth), g(kWidth), b(kWidth);
  const ColorMatrix matrix = {16 << 6, 19077, 29372, -3494, -8731, 34610};
  for (auto _ : state) {
    set.yuv(row.data(), row.data(), row.data(), matrix, kWidth, {r.data(), g.data(), b.data()});
    benchmark::DoNotOptimize(r.data());
  }
}

void interleave(benchmark::State& state, const Kernels& set) {
  auto row = noise<std::uint8_t>(kWidth, 0, 255);
  std::vector<std::uint8_t> out(3 * kWidth);
  for (auto _ : state) {
    set.interleave({row.data(), row.data(), row.data()}, kWidth, out.data());
    benchmark::DoNotOptimize(out.data());
  }
}

void pixels8(benchmark::State& state, const Kernels& set) {
  const auto row = noise<std::uint8_t>(kFullWidth, 0, 255);
  std::vector<std::uint8_t> out(3 * kFullWidth);
  const ColorMatrix matrix = {16 << 6, 19077, 29372, -3494, -8731, 34610};
  for (auto _ : state) {
    set.pixels8(row.data(), row.data(), row.data(), 1, matrix, kFullWidth, out.data());
    benchmark::DoNotOptimize(out.data());
  }
}

template <typename Word>
void look_up(benchmark::State& state, const Kernels& set) {
  const auto row = noise<std::uint8_t>(kWidth, 0, 255);
  LookUpTable<Word> table;
  for (int value = 0; value < 256; ++value) table.set(value, static_cast<Word>(value * 7919));
  std::vector<Word> out(kWidth);
  for (auto _ : state) {
    if constexpr (sizeof(Word) == 4) {
      set.look_up32(row.data(), kWidth, table, out.data());
    } else {
      set.look_up16(row.data(), kWidth, table, out.data());
    }
    benchmark::DoNotOptimize(out.data());
  }
}

// A picture, with the set that DEEPSPORT_SIMD names.
void whole(benchmark::State& state, const AVFrame& frame, PictureFormat format) {
  const std::vector<std::size_t> places = format.order == PixelOrder::kPatches
                                              ? std::vector<std::size_t>{0, 1}
                                              : std::vector<std::size_t>{0};
  std::vector<std::uint8_t> out(format.total_bytes(2, format.width, format.height));
  Converter convert{Orientation{}};
  PictureWriter write(format, out.data());
  for (auto _ : state) {
    write.picture(places, frame, convert);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetLabel(kernels().name);
}

PictureFormat format_of(int width, int height, PixelOrder order, ElementType element) {
  PictureFormat format;
  format.width = width;
  format.height = height;
  format.order = order;
  format.element = element;
  for (float& one : format.mean) one = 0.45F;
  for (float& one : format.deviation) one = 0.27F;
  return format;
}

const bool registered = [] {
  for (const auto which : {InstructionSet::kScalar, InstructionSet::kAvx2, InstructionSet::kAvx512,
                           InstructionSet::kNeon}) {
    const Kernels* set = kernels_of(which);
    if (set == nullptr) continue;
    const auto add = [set](const char* name, auto function) {
      benchmark::RegisterBenchmark((std::string(name) + "/" + set->name).c_str(),
                                   [=](benchmark::State& state) { function(state, *set); });
    };
    add("blend 13 rows of 1920", blend);
    add("resample 1920 to 588", resample);
    add("yuv to rgb of 588", yuv);
    add("interleave 588", interleave);
    add("yuv bytes to pixels of 1920", pixels8);
    add("look up 588 floats", look_up<std::uint32_t>);
    add("look up 588 halves", look_up<std::uint16_t>);
  }
  const auto add_from = [](AVPixelFormat from, int width, int height, const char* name,
                           PictureFormat format) {
    benchmark::RegisterBenchmark(name, [=](benchmark::State& state) {
      whole(state, *picture(from, width, height), format);
    })->Unit(benchmark::kMicrosecond);
  };
  const auto add = [&](const char* name, PictureFormat format) {
    add_from(AV_PIX_FMT_YUV420P, kFullWidth, kFullHeight, name, format);
  };
  using O = PixelOrder;
  using E = ElementType;
  add("1080p to RGB", format_of(kFullWidth, kFullHeight, O::kInterleaved, E::kUint8));
  add("1080p to 588x336 RGB", format_of(kWidth, kHeight, O::kInterleaved, E::kUint8));
  add("1080p to 588x336 planes of bfloat16", format_of(kWidth, kHeight, O::kPlanar, E::kBfloat16));
  add("1080p to 588x336 patches of float32", format_of(kWidth, kHeight, O::kPatches, E::kFloat32));
  add("1080p to 588x336 patches of bfloat16",
      format_of(kWidth, kHeight, O::kPatches, E::kBfloat16));
  add_from(AV_PIX_FMT_RGB24, 1280, 720, "720p RGB to 616x336 patches of float32",
           format_of(616, 336, O::kPatches, E::kFloat32));
  add_from(AV_PIX_FMT_RGB24, 616, 336, "616x336 RGB to patches of float32",
           format_of(616, 336, O::kPatches, E::kFloat32));
  return true;
}();

}  // namespace
}  // namespace deepsport
