// The ABI of DLPack 1.x, declared here: a public standard of six structs.
#pragma once

#include <cstdint>

namespace deepsport::bindings {

struct DLDevice {
  std::int32_t type, id;  // 2: CUDA
};
struct DLDataType {
  std::uint8_t code, bits;  // code 1: unsigned, 2: float, 4: bfloat
  std::uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  std::int32_t ndim;
  DLDataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;  // in elements; null would mean packed, until DLPack 1.2
  std::uint64_t byte_offset;
};
struct DLManagedTensor {  // of consumers from before DLPack 1
  DLTensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(DLManagedTensor*);
};
struct DLManagedTensorVersioned {
  struct {
    std::uint32_t major, minor;
  } version;
  void* manager_ctx;
  void (*deleter)(DLManagedTensorVersioned*);
  std::uint64_t flags;
  DLTensor dl_tensor;
};

}  // namespace deepsport::bindings
