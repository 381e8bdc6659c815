#include "cuda/surface_ring.hpp"

#include <exception>
#include <utility>

namespace deepsport::cuda {

SurfaceRing::~SurfaceRing() {
  if (device::nvdec_if_usable() == nullptr) return;
  try {
    drain();
  } catch (const Error&) {  // the request has failed already, with its own error
  }
}

MappedSurface SurfaceRing::map(CUvideodecoder decoder, int picture, CUVIDPROCPARAMS parameters) {
  if (mapped_.size() >= places_) unmap_oldest();
  device::Event read = spare_.empty() ? device::Event() : std::move(spare_.back());
  if (!spare_.empty()) spare_.pop_back();
  parameters.output_stream = stream_;  // the engine's write is ordered before the kernel's read
  MappedSurface surface;
  must(device::nvdec().map(decoder, picture, &surface.address, &surface.pitch, &parameters),
       "cuvidMapVideoFrame64");
  mapped_.push_back({decoder, surface.address, std::move(read), false});
  return surface;
}

void SurfaceRing::reader_is_queued() {
  mapped_.back().read.record(stream_);
  mapped_.back().is_recorded = true;
}

void SurfaceRing::unmap_oldest() {
  Entry oldest = std::move(mapped_.front());
  mapped_.pop_front();
  // Where something failed before the event was recorded, or the wait for it, the whole stream is
  // waited for: the surface must not change under a kernel that is queued.
  const device::CudaFunctions& driver = device::cuda();
  CUresult waited = oldest.is_recorded ? driver.event_synchronise(oldest.read.get())
                                       : driver.stream_synchronise(stream_);
  if (waited != CUDA_SUCCESS) driver.stream_synchronise(stream_);
  CUresult unmapped = device::nvdec().unmap(oldest.decoder, oldest.address);
  if (unmapped != CUDA_SUCCESS) {  // once more: a surface left mapped is one less for good
    broken_ = true;
    device::nvdec().unmap(oldest.decoder, oldest.address);
  }
  broken_ = broken_ || waited != CUDA_SUCCESS;
  spare_.push_back(std::move(oldest.read));
  device::check(waited, "cuEventSynchronize of a surface's reader");
  device::check(unmapped, "cuvidUnmapVideoFrame64");
}

void SurfaceRing::drain() {
  std::exception_ptr first;
  while (!mapped_.empty()) {
    try {
      unmap_oldest();
    } catch (...) {
      if (!first) first = std::current_exception();
    }
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace deepsport::cuda
