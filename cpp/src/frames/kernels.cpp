#include "frames/kernels.hpp"

#include <cstdlib>
#include <cstring>

#include "frames/kernel_loops.hpp"
#include "frames/kernel_sets.hpp"

#define DEEPSPORT_SET

namespace deepsport {
namespace {
namespace scalar {

#include "frames/kernel_set.inc"

void blend8(const std::uint8_t* const* rows, const std::int16_t* weights, int taps, int depth,
            int count, std::int16_t* out) {
  loops::blend(rows, weights, taps, depth, 0, count, out);
}
void blend16(const std::uint16_t* const* rows, const std::int16_t* weights, int taps, int depth,
             int count, std::int16_t* out) {
  loops::blend(rows, weights, taps, depth, 0, count, out);
}
void resample(const std::int16_t* row, const Axis& axis, std::int16_t* out) {
  loops::resample(row, axis, 0, out);
}
void split8(const std::uint8_t* pixels, int count, RgbRows out) {
  loops::split(pixels, 0, count, out.r, out.g, out.b);
}
void split16(const std::int16_t* pixels, int count, std::int16_t* const (&out)[3]) {
  loops::split(pixels, 0, count, out[0], out[1], out[2]);
}
void interleave(RgbRows from, int count, std::uint8_t* out) {
  loops::interleave(from, count, out);
}
void pixels8(const std::uint8_t* y, const std::uint8_t* u, const std::uint8_t* v, int repeat,
             const ColorMatrix& matrix, int count, std::uint8_t* out) {
  loops::pixels8(y, u, v, repeat, matrix, 0, count, out);
}
void look_up32(const std::uint8_t* from, int count, const LookUpTable<std::uint32_t>& table,
               std::uint32_t* out) {
  loops::look_up(from, count, table, out);
}
void look_up16(const std::uint8_t* from, int count, const LookUpTable<std::uint16_t>& table,
               std::uint16_t* out) {
  loops::look_up(from, count, table, out);
}

constexpr Kernels kTable = {"scalar", widen8,  widen16, blend8,    blend16,
                            resample, yuv,     rgb,     stream,    interleave,
                            split8,   split16, pixels8, look_up32, look_up16};

}  // namespace scalar

// An unknown name, or one this machine has not, is as none.
const Kernels& choose() noexcept {
  const char* wanted = std::getenv("DEEPSPORT_SIMD");
  const Kernels* best = nullptr;
  for (const InstructionSet set : {InstructionSet::kAvx512, InstructionSet::kAvx2,
                                   InstructionSet::kNeon, InstructionSet::kScalar}) {
    const Kernels* found = kernels_of(set);
    if (found == nullptr) continue;
    if (wanted != nullptr && std::strcmp(wanted, found->name) == 0) return *found;
    if (best == nullptr) best = found;
  }
  return *best;
}

}  // namespace

const Kernels* kernels_of(InstructionSet set) noexcept {
  switch (set) {
    case InstructionSet::kScalar: return &scalar::kTable;
    case InstructionSet::kAvx2: return avx2_kernels();
    case InstructionSet::kAvx512: return avx512_kernels();
    case InstructionSet::kNeon: return neon_kernels();
  }
  return nullptr;
}

const Kernels& kernels() noexcept {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace deepsport
