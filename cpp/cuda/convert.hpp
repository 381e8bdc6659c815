// Pictures on the device to the caller's format: uploads the tables once per size, launches one
// kernel per picture.
#pragma once

#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "cuda/nvdec.hpp"
#include "cuda/picture.hpp"

namespace deepsport::cuda {

/// Device memory of the library's own, given back in the order of a stream.
class Scratch {
 public:
  /// @throws Error kDevice, e.g. when the device has no memory left.
  Scratch(int ordinal, std::size_t bytes, CUstream stream);
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch();
  CUdeviceptr get() const noexcept {
    return address_;
  }

 private:
  CUdeviceptr address_ = 0;
  CUstream stream_;
};

/// One object per request and thread; the context of the device is current for every call.
class DeviceConverter {
 public:
  /// `format` with its width and height set.
  DeviceConverter(const PictureFormat& format, const StreamFacts& facts, const CudaTarget& target);
  ~DeviceConverter();

  /// Queue the conversion of a picture into the output's place `at`.
  void convert(const DevicePicture& picture, std::size_t at);
  /// Queue the upload of displayed RGB pixels of the output's size into place `at`. The pixels must
  /// live until finish().
  void upload(const std::uint8_t* rgb, std::size_t at);
  /// Wait until nothing reads host memory any more.
  void finish();

 private:
  struct Tables;
  const Tables& tables_for(const DevicePicture& picture);
  pixel::Target place(std::size_t at) const;
  void lay_out(CUdeviceptr rgb, std::size_t at);

  PictureFormat format_;
  const StreamFacts& facts_;
  CudaTarget target_;
  CUstream stream_;
  std::map<std::tuple<int, int, int>, std::unique_ptr<Tables>> tables_;
  std::unique_ptr<Scratch> pixels_;
  bool pending_ = false;
};

}  // namespace deepsport::cuda
