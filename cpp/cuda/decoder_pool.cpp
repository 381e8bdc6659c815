#include "cuda/decoder_pool.hpp"

#include <list>
#include <mutex>
#include <utility>

#include "deepsport/cuda.hpp"
#include "device/context.hpp"

namespace deepsport::cuda {
namespace {

using Kept = std::pair<DecoderKey, CUvideodecoder>;
constexpr std::size_t kMostKept = 4;  // each holds its surfaces: 50 to 300 MB of device memory

struct Pool {
  std::mutex mutex;
  std::list<Kept> kept;  // most recently used first
};
// Leaked: static destructors run after the driver has gone.
Pool& pool() {
  static auto* made = new Pool;
  return *made;
}

// The one that goes may live on another device than the current one.
void destroy_all(const std::list<Kept>& gone) noexcept {
  for (const Kept& one : gone) {
    try {
      const device::ContextGuard context(one.first.ordinal);
      destroy_decoder(one.second);
    } catch (const Error&) {  // no context, no decoder in it
    }
  }
}

}  // namespace

void must(CUresult result, const char* doing) {
  if (result == CUDA_SUCCESS) return;
  throw NotForNvdec(std::string("NVDEC failed at ") + doing + ": " + device::error_name(result));
}

bool is_out_of_memory(CUresult result) noexcept {
  return static_cast<int>(result) == 2;  // the vendored header lacks the name
}

CUvideodecoder take_decoder(const DecoderKey& key) {
  const std::lock_guard<std::mutex> lock(pool().mutex);
  for (auto one = pool().kept.begin(); one != pool().kept.end(); ++one) {
    if (one->first == key) {
      const CUvideodecoder decoder = one->second;
      pool().kept.erase(one);
      return decoder;
    }
  }
  return nullptr;
}

CUvideodecoder make_decoder(const DecoderKey& key) {
  // No cropping and no scaling by the engine: its filters are not documented, and a size of its own
  // would be one more thing a kept decoder must match.
  CUVIDDECODECREATEINFO info{};
  info.CodecType = key.codec;
  info.ChromaFormat = key.chroma;
  info.OutputFormat = key.surface;
  info.bitDepthMinus8 = key.depth - 8;
  info.ulWidth = info.ulMaxWidth = key.width;
  info.ulHeight = info.ulMaxHeight = key.height;
  info.ulTargetWidth = (key.width + 1) & ~1u;
  info.ulTargetHeight = (key.height + 1) & ~1u;
  info.display_area.right = static_cast<short>(key.width);
  info.display_area.bottom = static_cast<short>(key.height);
  info.ulNumDecodeSurfaces = key.decode_surfaces;
  info.ulNumOutputSurfaces = key.output_surfaces;
  info.ulCreationFlags = cudaVideoCreate_PreferCUVID;
  info.DeinterlaceMode = cudaVideoDeinterlaceMode_Weave;
  CUvideodecoder decoder = nullptr;
  CUresult result = device::nvdec().decoder_create(&decoder, &info);
  if (is_out_of_memory(result)) {
    release_cuda_decoders();
    result = device::nvdec().decoder_create(&decoder, &info);
  }
  must(result, "cuvidCreateDecoder");
  return decoder;
}

void keep_decoder(const DecoderKey& key, CUvideodecoder decoder) noexcept {
  std::list<Kept> gone;
  {
    const std::lock_guard<std::mutex> lock(pool().mutex);
    pool().kept.emplace_front(key, decoder);
    while (pool().kept.size() > kMostKept) {
      gone.splice(gone.end(), pool().kept, std::prev(pool().kept.end()));
    }
  }
  destroy_all(gone);
}

void destroy_decoder(CUvideodecoder decoder) noexcept {
  if (const auto* nvdec = device::nvdec_if_usable()) nvdec->decoder_destroy(decoder);
}

}  // namespace deepsport::cuda

namespace deepsport {

void release_cuda_decoders() noexcept {
  if (device::nvdec_if_usable() == nullptr) return;
  std::list<cuda::Kept> gone;
  {
    const std::lock_guard<std::mutex> lock(cuda::pool().mutex);
    gone.swap(cuda::pool().kept);
  }
  cuda::destroy_all(gone);
}

}  // namespace deepsport
