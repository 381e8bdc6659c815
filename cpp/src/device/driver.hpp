// The one seam to NVIDIA: tables of the driver's and NVDEC's functions, found with dlopen at first
// use. Types come from the vendored MIT headers; no library of NVIDIA is linked.
#pragma once

#include <ffnvcodec/dynlink_cuda.h>
#include <ffnvcodec/dynlink_nvcuvid.h>

#include <string>

#include "deepsport/device.hpp"

namespace deepsport::device {

// Signatures the vendored header lacks.
using DriverGetVersion = CUresult CUDAAPI(int*);
using DeviceTotalMem = CUresult CUDAAPI(std::size_t*, CUdevice);
using ContextSynchronise = CUresult CUDAAPI();
using StreamWaitEvent = CUresult CUDAAPI(CUstream, CUevent, unsigned);
using MemAllocAsync = CUresult CUDAAPI(CUdeviceptr*, std::size_t, CUstream);
using MemFreeAsync = CUresult CUDAAPI(CUdeviceptr, CUstream);
using MemHostAlloc = CUresult CUDAAPI(void**, std::size_t, unsigned);
using MemFreeHost = CUresult CUDAAPI(void*);

// X(member, name in the library, type). Versioned names are those CUDA 12 and 13 headers map to.
#define DEEPSPORT_CUDA_FUNCTIONS(X)                                        \
  X(init, "cuInit", tcuInit)                                               \
  X(driver_version, "cuDriverGetVersion", DriverGetVersion)                \
  X(device_count, "cuDeviceGetCount", tcuDeviceGetCount)                   \
  X(device_get, "cuDeviceGet", tcuDeviceGet)                               \
  X(device_name, "cuDeviceGetName", tcuDeviceGetName)                      \
  X(device_attribute, "cuDeviceGetAttribute", tcuDeviceGetAttribute)       \
  X(device_memory, "cuDeviceTotalMem_v2", DeviceTotalMem)                  \
  X(context_retain, "cuDevicePrimaryCtxRetain", tcuDevicePrimaryCtxRetain) \
  X(context_push, "cuCtxPushCurrent_v2", tcuCtxPushCurrent_v2)             \
  X(context_pop, "cuCtxPopCurrent_v2", tcuCtxPopCurrent_v2)                \
  X(context_synchronise, "cuCtxSynchronize", ContextSynchronise)           \
  X(allocate, "cuMemAllocAsync", MemAllocAsync)                            \
  X(release, "cuMemFreeAsync", MemFreeAsync)                               \
  X(host_allocate, "cuMemHostAlloc", MemHostAlloc)                         \
  X(host_release, "cuMemFreeHost", MemFreeHost)                            \
  X(copy_to_host, "cuMemcpyDtoHAsync_v2", tcuMemcpyDtoHAsync_v2)           \
  X(copy_to_device, "cuMemcpyHtoDAsync_v2", tcuMemcpyHtoDAsync_v2)         \
  X(stream_create, "cuStreamCreate", tcuStreamCreate)                      \
  X(stream_destroy, "cuStreamDestroy_v2", tcuStreamDestroy_v2)             \
  X(stream_synchronise, "cuStreamSynchronize", tcuStreamSynchronize)       \
  X(stream_wait, "cuStreamWaitEvent", StreamWaitEvent)                     \
  X(event_create, "cuEventCreate", tcuEventCreate)                         \
  X(event_destroy, "cuEventDestroy_v2", tcuEventDestroy_v2)                \
  X(event_record, "cuEventRecord", tcuEventRecord)                         \
  X(event_synchronise, "cuEventSynchronize", tcuEventSynchronize)          \
  X(module_load, "cuModuleLoadData", tcuModuleLoadData)                    \
  X(module_function, "cuModuleGetFunction", tcuModuleGetFunction)          \
  X(launch, "cuLaunchKernel", tcuLaunchKernel)                             \
  X(error_name, "cuGetErrorName", tcuGetErrorName)                         \
  X(error_text, "cuGetErrorString", tcuGetErrorString)

#define DEEPSPORT_NVDEC_FUNCTIONS(X)                                  \
  X(caps, "cuvidGetDecoderCaps", tcuvidGetDecoderCaps)                \
  X(decoder_create, "cuvidCreateDecoder", tcuvidCreateDecoder)        \
  X(decoder_destroy, "cuvidDestroyDecoder", tcuvidDestroyDecoder)     \
  X(decode, "cuvidDecodePicture", tcuvidDecodePicture)                \
  X(decode_status, "cuvidGetDecodeStatus", tcuvidGetDecodeStatus)     \
  X(map, "cuvidMapVideoFrame64", tcuvidMapVideoFrame)                 \
  X(unmap, "cuvidUnmapVideoFrame64", tcuvidUnmapVideoFrame)           \
  X(parser_create, "cuvidCreateVideoParser", tcuvidCreateVideoParser) \
  X(parse, "cuvidParseVideoData", tcuvidParseVideoData)               \
  X(parser_destroy, "cuvidDestroyVideoParser", tcuvidDestroyVideoParser)

struct CudaFunctions {
#define X(member, name, type) type* member = nullptr;
  DEEPSPORT_CUDA_FUNCTIONS(X)
#undef X
};

struct NvdecFunctions {
#define X(member, name, type) type* member = nullptr;
  DEEPSPORT_NVDEC_FUNCTIONS(X)
#undef X
};

/// The driver. @throws Error kNoDevice with the reason, kForked in a child of a CUDA process.
const CudaFunctions& cuda();
/// NVDEC. @throws Error kNoDevice with the reason, kForked.
const NvdecFunctions& nvdec();
/// The driver for destructors: null where nothing may be given back, as in a forked child, whose
/// parent owns every handle.
const CudaFunctions* cuda_if_usable() noexcept;
const NvdecFunctions* nvdec_if_usable() noexcept;

/// @throws Error kDevice: "<doing>: CUDA_ERROR_X (words of the driver)".
void check(CUresult result, const char* doing);
/// The driver's name for a code, e.g. "CUDA_ERROR_OUT_OF_MEMORY"; a number when it has none.
std::string error_name(CUresult result);

}  // namespace deepsport::device
