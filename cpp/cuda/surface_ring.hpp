// Mapped output surfaces in flight. NVDEC may overwrite a surface once it is unmapped, so each is
// unmapped only after the kernel that reads it has finished, oldest first.
#pragma once

#include <deque>
#include <vector>

#include "cuda/decoder_pool.hpp"
#include "device/context.hpp"

namespace deepsport::cuda {

struct MappedSurface {
  CUdeviceptr address = 0;
  unsigned pitch = 0;  ///< bytes
};

/// One object per decoder and thread; the context of the device is current for every call.
class SurfaceRing {
 public:
  /// `places`: how many may be mapped at once, the decoder's ulNumOutputSurfaces.
  SurfaceRing(CUstream stream, unsigned places) : stream_(stream), places_(places) {}
  SurfaceRing(const SurfaceRing&) = delete;
  SurfaceRing& operator=(const SurfaceRing&) = delete;
  ~SurfaceRing();

  /// Map a decoded picture, first making room. Work queued on the stream after this sees it.
  /// @throws NotForNvdec, Error kDevice.
  MappedSurface map(CUvideodecoder decoder, int picture, CUVIDPROCPARAMS parameters);
  /// Say that the last work that reads the surface mapped last is queued.
  void reader_is_queued();
  /// Unmap everything, even when a step fails. @throws Error kDevice, the first failure.
  void drain();
  /// Did a step fail? Then the decoder's state is not known.
  bool is_broken() const noexcept {
    return broken_;
  }

 private:
  struct Entry {
    CUvideodecoder decoder;
    CUdeviceptr address;
    device::Event read;
    bool is_recorded;
  };
  void unmap_oldest();

  CUstream stream_;
  unsigned places_;
  std::deque<Entry> mapped_;
  std::vector<device::Event> spare_;
  bool broken_ = false;
};

}  // namespace deepsport::cuda
