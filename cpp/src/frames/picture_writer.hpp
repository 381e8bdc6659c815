// Rows of 8-bit RGB to where a request wants them: order, element, normalisation, patches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "deepsport/picture_format.hpp"
#include "frames/convert.hpp"

namespace deepsport {

/// One object per thread; several may write different pictures of one output.
class PictureWriter {
 public:
  /// `format` knows its size and has been checked; `out` has room for all places.
  PictureWriter(const PictureFormat& format, void* out);

  /// Write what `convert` makes of a picture to the places of the output that show it.
  /// @throws Error kUnsupported.
  void picture(const std::vector<std::size_t>& places, const AVFrame& frame, Converter& convert);
  /// Write a black picture.
  void black(std::size_t place);

 private:
  void row(const std::vector<std::size_t>& places, int y, RgbRows rows);
  template <typename Word>
  void normalised_row(const std::vector<std::size_t>& places, int y, RgbRows rows,
                      std::vector<Word>& scratch);
  template <typename T>
  void strided_row(const std::vector<std::size_t>& places, int y, const T* const (&colours)[3]);
  bool takes_pixels() const;
  std::size_t picture_bytes() const;  // of those
  std::uint8_t* pixels_at(std::size_t place) const;
  void patch_row(const std::vector<std::size_t>& places, int y, RgbRows rows);
  template <typename T>
  void patches(const std::vector<std::size_t>& places, int patch_row);
  void convert(int colour, const std::uint8_t* from, int count, std::uint8_t* to) const;
  void convert(int colour, const std::uint8_t* from, int count, std::uint16_t* to) const;
  void convert(int colour, const std::uint8_t* from, int count, std::uint32_t* to) const;

  PictureFormat format_;
  void* out_;
  std::unique_ptr<LookUpTable<std::uint32_t>[]> wide_;    // float32: one a colour
  std::unique_ptr<LookUpTable<std::uint16_t>[]> narrow_;  // float16, bfloat16
  std::vector<std::uint32_t> wide_rows_;
  std::vector<std::uint16_t> narrow_rows_;
  std::vector<std::uint8_t> band_;       // the rows of a row of patches: (3, patch, width)
  std::vector<std::uint8_t> squares_;    // of one colour: (width / patch, patch, patch)
  std::vector<std::uint8_t> converted_;  // elements: (3, width / patch, patch, patch)
};

}  // namespace deepsport
