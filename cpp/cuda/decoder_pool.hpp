// Hardware decoders kept for the next request: making one costs tens of milliseconds, a clip of
// eight frames often less. Least recently used ones go first.
#pragma once

#include <string>
#include <tuple>

#include "device/driver.hpp"

namespace deepsport::cuda {

/// NVDEC cannot decode this stream, or failed at it, and the sentence says why; the CPU path can.
class NotForNvdec : public Error {
 public:
  explicit NotForNvdec(const std::string& why) : Error(Errc::kUnsupported, why) {}
};

/// @throws NotForNvdec: "NVDEC failed at <doing>: CUDA_ERROR_X".
void must(CUresult result, const char* doing);
/// Is it CUDA_ERROR_OUT_OF_MEMORY? Then kept decoders can make room.
bool is_out_of_memory(CUresult result) noexcept;

/// Everything that is fixed when a decoder is made.
struct DecoderKey {
  int ordinal = 0;
  cudaVideoCodec codec = cudaVideoCodec_NumCodecs;
  cudaVideoChromaFormat chroma = cudaVideoChromaFormat_420;
  cudaVideoSurfaceFormat surface = cudaVideoSurfaceFormat_NV12;
  unsigned width = 0, height = 0, depth = 8, decode_surfaces = 0, output_surfaces = 0;

  auto fields() const {
    return std::tie(ordinal, codec, chroma, surface, width, height, depth, decode_surfaces,
                    output_surfaces);
  }
  bool operator==(const DecoderKey& other) const {
    return fields() == other.fields();
  }
};

/// A kept decoder of this kind, or null.
CUvideodecoder take_decoder(const DecoderKey& key);
/// A new one; where the device has no memory for it, the kept ones go first. @throws NotForNvdec.
CUvideodecoder make_decoder(const DecoderKey& key);
/// Keep a decoder that works; the context of its device is current.
void keep_decoder(const DecoderKey& key, CUvideodecoder decoder) noexcept;
/// Destroy one whose state is not known.
void destroy_decoder(CUvideodecoder decoder) noexcept;

}  // namespace deepsport::cuda
