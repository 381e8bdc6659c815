// A sample has 256 values, so normalising is a table: what it says is computed once with the
// arithmetic of pixel.hpp, and every set of instructions gives the same bits.
#include "frames/picture_writer.hpp"

#include <atomic>
#include <cstring>

#include "cuda/pixel.hpp"

namespace deepsport {
namespace {

std::uint32_t bits_of(float value) {
  pixel::FloatBits f;
  f.value = value;
  return f.bits;
}

// The square of a patch out of a band of rows. The count is known to the compiler for the patches
// of Qwen2.5-VL and Qwen3-VL.
template <int Patch>
void cut_square(const std::uint8_t* band, std::ptrdiff_t width, int, std::uint8_t* to) {
  for (int y = 0; y < Patch; ++y) std::memcpy(to + y * Patch, band + y * width, Patch);
}
void cut_any(const std::uint8_t* band, std::ptrdiff_t width, int patch, std::uint8_t* to) {
  for (int y = 0; y < patch; ++y) {
    std::memcpy(to + std::ptrdiff_t{y} * patch, band + y * width, static_cast<std::size_t>(patch));
  }
}

}  // namespace

PictureWriter::PictureWriter(const PictureFormat& format, void* out) : format_(format), out_(out) {
  if (format.order == PixelOrder::kPatches) {
    const auto band =
        static_cast<std::size_t>(format.patch) * static_cast<std::size_t>(format.width);
    band_.resize(3 * band);
    squares_.resize(band);
    converted_.resize(3 * band * format.element_bytes());
  }
  if (format.element == ElementType::kUint8) return;
  const auto row = static_cast<std::size_t>(format.width);
  if (format.element == ElementType::kFloat32) {
    wide_ = std::make_unique<LookUpTable<std::uint32_t>[]>(3);
    wide_rows_.resize(3 * row);
  } else {
    narrow_ = std::make_unique<LookUpTable<std::uint16_t>[]>(3);
    narrow_rows_.resize(3 * row);
  }
  for (int c = 0; c < 3; ++c) {
    for (int value = 0; value < 256; ++value) {
      const float normal = pixel::normalise(value, format.mean[c], format.deviation[c]);
      switch (format.element) {
        case ElementType::kUint8: break;
        case ElementType::kFloat32: wide_[c].set(value, bits_of(normal)); break;
        case ElementType::kFloat16: narrow_[c].set(value, pixel::to_float16(normal)); break;
        case ElementType::kBfloat16: narrow_[c].set(value, pixel::to_bfloat16(normal)); break;
      }
    }
  }
}

void PictureWriter::convert(int, const std::uint8_t* from, int count, std::uint8_t* to) const {
  std::memcpy(to, from, static_cast<std::size_t>(count));
}
void PictureWriter::convert(int colour, const std::uint8_t* from, int count,
                            std::uint16_t* to) const {
  kernels().look_up16(from, count, narrow_[colour], to);
}
void PictureWriter::convert(int colour, const std::uint8_t* from, int count,
                            std::uint32_t* to) const {
  kernels().look_up32(from, count, wide_[colour], to);
}

// A colour at a time, so that its table is in registers for all patches of the band; then a patch
// at a time, each a run of memory: writing every row of pixels to all patches it crosses takes
// twice as long.
template <typename T>
void PictureWriter::patches(const std::vector<std::size_t>& places, int patch_row) {
  const int patch = format_.patch, area = patch * patch;
  const std::ptrdiff_t merge = format_.merge, temporal = format_.temporal;
  const std::ptrdiff_t width = format_.width, across = width / patch, down = format_.height / patch;
  const auto cut = patch == 14 ? cut_square<14> : patch == 16 ? cut_square<16> : cut_any;
  T* const converted = reinterpret_cast<T*>(converted_.data());
  for (std::ptrdiff_t c = 0; c < 3; ++c) {
    const std::uint8_t* band = band_.data() + c * patch * width;
    for (std::ptrdiff_t x = 0; x < across; ++x) {
      cut(band + x * patch, width, patch, squares_.data() + x * area);
    }
    convert(static_cast<int>(c), squares_.data(), static_cast<int>(across) * area,
            converted + c * across * area);
  }
  // Patches that are written whole fill whole lines of memory, without reading them first.
  const auto copy =
      static_cast<std::ptrdiff_t>(places.size()) == temporal
          ? kernels().stream
          : [](const void* from, std::size_t bytes, void* to) { std::memcpy(to, from, bytes); };
  for (std::ptrdiff_t x = 0; x < across; ++x) {
    const std::ptrdiff_t in_picture =
        (patch_row / merge * (across / merge) + x / merge) * merge * merge +
        patch_row % merge * merge + x % merge;
    for (std::ptrdiff_t c = 0; c < 3; ++c) {
      const T* from = converted + (c * across + x) * area;
      for (const std::size_t place : places) {
        const auto group = static_cast<std::ptrdiff_t>(place) / temporal;
        const auto slot = static_cast<std::ptrdiff_t>(place) % temporal;
        const std::ptrdiff_t number = group * down * across + in_picture;
        T* to = static_cast<T*>(out_) + ((number * 3 + c) * temporal + slot) * area;
        copy(from, static_cast<std::size_t>(area) * sizeof(T), to);
      }
    }
  }
}

void PictureWriter::patch_row(const std::vector<std::size_t>& places, int y, RgbRows rows) {
  const auto width = static_cast<std::size_t>(format_.width);
  const auto patch = static_cast<std::size_t>(format_.patch);
  const std::size_t at = static_cast<std::size_t>(y) % patch;
  const std::uint8_t* const colours[3] = {rows.r, rows.g, rows.b};
  for (std::size_t c = 0; c < 3; ++c) {
    std::memcpy(band_.data() + (c * patch + at) * width, colours[c], width);
  }
  if (at + 1 < patch) return;
  const int number = y / format_.patch;
  switch (format_.element_bytes()) {
    case 1: return patches<std::uint8_t>(places, number);
    case 2: return patches<std::uint16_t>(places, number);
    default: return patches<std::uint32_t>(places, number);
  }
}

template <typename T>
void PictureWriter::strided_row(const std::vector<std::size_t>& places, int y,
                                const T* const (&colours)[3]) {
  const auto width = static_cast<std::size_t>(format_.width);
  const auto height = static_cast<std::size_t>(format_.height);
  const auto at = static_cast<std::size_t>(y);
  T* const out = static_cast<T*>(out_);
  const T* first = nullptr;  // interleaved already
  for (const std::size_t place : places) {
    if (format_.order == PixelOrder::kPlanar) {
      for (std::size_t c = 0; c < 3; ++c) {
        std::memcpy(out + ((3 * place + c) * height + at) * width, colours[c], width * sizeof(T));
      }
      continue;
    }
    T* to = out + (place * height + at) * 3 * width;
    if (first != nullptr) {
      std::memcpy(to, first, 3 * width * sizeof(T));
      continue;
    }
    for (std::size_t x = 0; x < width; ++x) {
      for (std::size_t c = 0; c < 3; ++c) to[3 * x + c] = colours[c][x];
    }
    first = to;
  }
}

template <typename Word>
void PictureWriter::normalised_row(const std::vector<std::size_t>& places, int y, RgbRows rows,
                                   std::vector<Word>& scratch) {
  const std::uint8_t* const from[3] = {rows.r, rows.g, rows.b};
  const Word* colours[3];
  for (int c = 0; c < 3; ++c) {
    Word* to = scratch.data() + std::ptrdiff_t{c} * format_.width;
    convert(c, from[c], format_.width, to);
    colours[c] = to;
  }
  strided_row(places, y, colours);
}

bool PictureWriter::takes_pixels() const {
  return format_.order == PixelOrder::kInterleaved && format_.element == ElementType::kUint8;
}

std::size_t PictureWriter::picture_bytes() const {
  return format_.total_bytes(1, format_.width, format_.height);
}

std::uint8_t* PictureWriter::pixels_at(std::size_t place) const {
  return static_cast<std::uint8_t*>(out_) + place * picture_bytes();
}

void PictureWriter::row(const std::vector<std::size_t>& places, int y, RgbRows rows) {
  if (format_.order == PixelOrder::kPatches) return patch_row(places, y, rows);
  if (wide_) return normalised_row(places, y, rows, wide_rows_);
  if (narrow_) return normalised_row(places, y, rows, narrow_rows_);
  const std::uint8_t* const colours[3] = {rows.r, rows.g, rows.b};
  strided_row(places, y, colours);
}

void PictureWriter::picture(const std::vector<std::size_t>& places, const AVFrame& frame,
                            Converter& convert) {
  if (!takes_pixels()) {
    convert.rows(frame, format_.width, format_.height,
                 [&](int y, RgbRows rows) { row(places, y, rows); });
    std::atomic_thread_fence(std::memory_order_seq_cst);  // after kernels().stream
    return;
  }
  std::uint8_t* const first = pixels_at(places.front());
  convert.pixels(frame, format_.width, format_.height, first);
  for (std::size_t k = 1; k < places.size(); ++k) {
    std::memcpy(pixels_at(places[k]), first, picture_bytes());
  }
}

void PictureWriter::black(std::size_t place) {
  if (takes_pixels()) {
    std::memset(pixels_at(place), 0, picture_bytes());
    return;
  }
  std::vector<std::uint8_t> zero(static_cast<std::size_t>(format_.width));
  const std::vector<std::size_t> places = {place};
  for (int y = 0; y < format_.height; ++y) row(places, y, {zero.data(), zero.data(), zero.data()});
}

}  // namespace deepsport
