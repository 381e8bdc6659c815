// Names of devices and facts about them; no pictures, no memory.
#include <cctype>

#include "deepsport/device.hpp"
#include "device/context.hpp"

namespace deepsport {
namespace {

struct Kind {
  cudaVideoCodec codec;
  cudaVideoChromaFormat chroma;
  unsigned depth;
  const char* name;
};
// What the CUDA path knows how to convert, asked of each device.
constexpr Kind kKinds[] = {
    {cudaVideoCodec_H264, cudaVideoChromaFormat_420, 8, "h264 8 bit 4:2:0"},
    {cudaVideoCodec_H264, cudaVideoChromaFormat_420, 10, "h264 10 bit 4:2:0"},
    {cudaVideoCodec_HEVC, cudaVideoChromaFormat_420, 8, "hevc 8 bit 4:2:0"},
    {cudaVideoCodec_HEVC, cudaVideoChromaFormat_420, 10, "hevc 10 bit 4:2:0"},
    {cudaVideoCodec_HEVC, cudaVideoChromaFormat_444, 8, "hevc 8 bit 4:4:4"},
    {cudaVideoCodec_HEVC, cudaVideoChromaFormat_444, 10, "hevc 10 bit 4:4:4"},
    {cudaVideoCodec_VP9, cudaVideoChromaFormat_420, 8, "vp9 8 bit 4:2:0"},
    {cudaVideoCodec_VP9, cudaVideoChromaFormat_420, 10, "vp9 10 bit 4:2:0"},
    {cudaVideoCodec_AV1, cudaVideoChromaFormat_420, 8, "av1 8 bit 4:2:0"},
    {cudaVideoCodec_AV1, cudaVideoChromaFormat_420, 10, "av1 10 bit 4:2:0"},
};

}  // namespace

Result<Device> parse_device(const std::string& text) {
  if (text == "cpu") return Device{Device::Kind::kCpu, 0};
  if (text == "cuda") return Device{Device::Kind::kCuda, 0};
  const std::string prefix = "cuda:";
  if (text.rfind(prefix, 0) == 0 && text.size() > prefix.size() &&
      text.size() <= prefix.size() + 3) {
    int ordinal = 0;
    bool digits = true;
    for (std::size_t i = prefix.size(); i < text.size(); ++i) {
      digits = digits && std::isdigit(static_cast<unsigned char>(text[i])) != 0;
      ordinal = ordinal * 10 + (text[i] - '0');
    }
    if (digits) return Device{Device::Kind::kCuda, ordinal};
  }
  return Error(
      Errc::kInvalidArgument,
      "device \"" + text + "\": no such device; valid are \"cpu\", \"cuda\" and \"cuda:N\"");
}

Result<CudaDevice> cuda_device(int ordinal) {
  try {
    const device::ContextGuard context(ordinal);
    const device::CudaFunctions& driver = device::cuda();
    CUdevice handle = 0;
    device::check(driver.device_get(&handle, ordinal), "cuDeviceGet");
    CudaDevice facts;
    char name[256] = "";
    device::check(driver.device_name(name, sizeof name, handle), "cuDeviceGetName");
    facts.name = name;
    device::check(driver.device_attribute(&facts.compute_major,
                                          CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, handle),
                  "cuDeviceGetAttribute");
    device::check(driver.device_attribute(&facts.compute_minor,
                                          CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, handle),
                  "cuDeviceGetAttribute");
    std::size_t memory = 0;
    device::check(driver.device_memory(&memory, handle), "cuDeviceTotalMem");
    facts.memory_bytes = memory;
    if (cuda_status().nvdec) {
      for (const Kind& kind : kKinds) {
        CUVIDDECODECAPS caps{};
        caps.eCodecType = kind.codec;
        caps.eChromaFormat = kind.chroma;
        caps.nBitDepthMinus8 = kind.depth - 8;
        if (device::nvdec().caps(&caps) == CUDA_SUCCESS && caps.bIsSupported != 0) {
          facts.codecs.emplace_back(kind.name);
        }
      }
    }
    return facts;
  } catch (const Error& error) {
    return error;
  }
}

}  // namespace deepsport
