#include "cuda/allocation.hpp"

#include <string>

#include "cuda/decoder_pool.hpp"
#include "deepsport/cuda.hpp"

namespace deepsport::cuda {

CUdeviceptr allocate(int ordinal, std::size_t bytes, CUstream stream) {
  CUdeviceptr address = 0;
  CUresult result = device::cuda().allocate(&address, bytes, stream);
  if (is_out_of_memory(result)) {
    release_cuda_decoders();
    result = device::cuda().allocate(&address, bytes, stream);
  }
  const std::string asked =
      std::to_string(bytes) + " bytes on cuda:" + std::to_string(ordinal) + ": cuMemAllocAsync";
  if (is_out_of_memory(result)) {
    throw Error(Errc::kDevice,
                asked + " says " + device::error_name(result) +
                    ", also without kept decoders; valid are fewer or smaller frames "
                    "at a time, or a device with more memory free");
  }
  device::check(result, asked.c_str());
  return address;
}

}  // namespace deepsport::cuda
