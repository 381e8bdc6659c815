// Device memory in the order of a stream. Where there is none left, kept decoders make room for it.
#pragma once

#include "device/driver.hpp"

namespace deepsport::cuda {

/// At least a byte of device memory; the context of the device is current.
/// @throws Error kDevice: what was asked for, what the driver said, what would be valid.
CUdeviceptr allocate(int ordinal, std::size_t bytes, CUstream stream);

}  // namespace deepsport::cuda
