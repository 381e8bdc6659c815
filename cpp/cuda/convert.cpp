#include "cuda/convert.hpp"

#include <algorithm>
#include <cstring>

#include "cuda/allocation.hpp"
#include "cuda/resample.hpp"
#include "device/kernels.hpp"

namespace deepsport::cuda {
namespace {

constexpr unsigned kThreadsX = 32, kThreadsY = 8;

device::Grid grid_for(int width, int height) {
  return {(static_cast<unsigned>(width) + kThreadsX - 1) / kThreadsX,
          (static_cast<unsigned>(height) + kThreadsY - 1) / kThreadsY, kThreadsX, kThreadsY};
}

template <typename T>
T* pointer(CUdeviceptr address) {
  return reinterpret_cast<T*>(static_cast<std::uintptr_t>(address));
}

// Places of one table in one block of memory, each aligned for its elements.
std::size_t append(std::vector<std::uint8_t>& block, const void* data, std::size_t bytes) {
  constexpr std::size_t kAlignment = 16;
  const std::size_t at = (block.size() + kAlignment - 1) / kAlignment * kAlignment;
  block.resize(at + bytes);
  std::memcpy(block.data() + at, data, bytes);
  return at;
}

}  // namespace

Scratch::Scratch(int ordinal, std::size_t bytes, CUstream stream)
    : address_(allocate(ordinal, bytes, stream)), stream_(stream) {}

Scratch::~Scratch() {
  if (const auto* driver = device::cuda_if_usable()) driver->release(address_, stream_);
}

struct DeviceConverter::Tables {
  std::vector<std::uint8_t> host;  // must outlive its upload
  std::unique_ptr<Scratch> device;
  pixel::Axis luma_x, luma_y, chroma_x, chroma_y;
};

DeviceConverter::DeviceConverter(const PictureFormat& format, const StreamFacts& facts,
                                 const CudaTarget& target)
    : format_(format),
      facts_(facts),
      target_(target),
      stream_(reinterpret_cast<CUstream>(static_cast<std::uintptr_t>(target.stream))) {}

DeviceConverter::~DeviceConverter() {
  const auto* driver = device::cuda_if_usable();
  if (pending_ && driver != nullptr) driver->stream_synchronise(stream_);
}

void DeviceConverter::finish() {
  if (!pending_) return;
  device::check(device::cuda().stream_synchronise(stream_), "cuStreamSynchronize");
  pending_ = false;
}

pixel::Target DeviceConverter::place(std::size_t at) const {
  pixel::Target target{};
  target.element = static_cast<pixel::Element>(format_.element);
  std::copy_n(format_.mean, 3, target.mean);
  std::copy_n(format_.deviation, 3, target.deviation);
  auto* base = pointer<std::uint8_t>(target_.address);
  const std::int64_t width = format_.width, height = format_.height;
  if (format_.order == PixelOrder::kPatches) {
    target.grid = {format_.patch, format_.merge, format_.temporal, format_.width, format_.height};
    target.frame = static_cast<std::int64_t>(at);
    target.base = base;
    return target;
  }
  const std::size_t picture =
      static_cast<std::size_t>(3 * width * height) * format_.element_bytes();
  target.base = base + at * picture;
  if (format_.order == PixelOrder::kInterleaved) {
    target.row = 3 * width;
    target.pixel = 3;
    target.channel = 1;
  } else {
    target.row = width;
    target.pixel = 1;
    target.channel = width * height;
  }
  return target;
}

const DeviceConverter::Tables& DeviceConverter::tables_for(const DevicePicture& picture) {
  const CUVIDEOFORMAT& format = *picture.format;
  const int width = format.display_area.right - format.display_area.left;
  const int height = format.display_area.bottom - format.display_area.top;
  const int subsampling = format.chroma_format == cudaVideoChromaFormat_420 ? 1 : 0;
  auto& made = tables_[{width, height, subsampling}];
  if (made) return *made;
  auto tables = std::make_unique<Tables>();
  const bool transpose = facts_.orientation.transpose;
  const int out_width = transpose ? format_.height : format_.width;
  const int out_height = transpose ? format_.width : format_.height;
  const pixel::Taps taps[4] = {pixel::picture_taps(width, out_width, 0),
                               pixel::picture_taps(height, out_height, 0),
                               pixel::picture_taps(width, out_width, subsampling),
                               pixel::picture_taps(height, out_height, subsampling)};
  std::size_t first_at[4], weights_at[4];
  for (int i = 0; i < 4; ++i) {
    const pixel::Taps& table = taps[i];
    first_at[i] =
        append(tables->host, table.first.data(), table.first.size() * sizeof(std::int32_t));
    weights_at[i] =
        append(tables->host, table.weights.data(), table.weights.size() * sizeof(std::int16_t));
  }
  tables->device = std::make_unique<Scratch>(target_.ordinal, tables->host.size(), stream_);
  const CUdeviceptr base = tables->device->get();
  pixel::Axis* const axes[4] = {&tables->luma_x, &tables->luma_y, &tables->chroma_x,
                                &tables->chroma_y};
  for (int i = 0; i < 4; ++i) {
    *axes[i] = {pointer<const std::int32_t>(base + first_at[i]),
                pointer<const std::int16_t>(base + weights_at[i]), taps[i].taps, 0};
  }
  pending_ = true;
  device::check(
      device::cuda().copy_to_device(base, tables->host.data(), tables->host.size(), stream_),
      "cuMemcpyHtoDAsync of resampling weights");
  made = std::move(tables);
  return *made;
}

void DeviceConverter::convert(const DevicePicture& from, std::size_t at) {
  const CUVIDEOFORMAT& format = *from.format;
  const Tables& tables = tables_for(from);
  pixel::Picture picture{};
  const std::int64_t pitch = from.surface.pitch;
  const int bytes = format.bit_depth_luma_minus8 != 0 ? 2 : 1;
  const int left = format.display_area.left, top = format.display_area.top;
  const auto* luma = pointer<const std::uint8_t>(from.surface.address);
  const std::uint8_t* chroma = luma + pitch * from.rows;
  pixel::Planes& planes = picture.planes;
  planes.luma = luma + top * pitch + left * bytes;
  planes.luma_pitch = planes.chroma_pitch = pitch;
  planes.sample_bytes = bytes;
  planes.depth = format.bit_depth_luma_minus8 + 8;
  planes.padding_bits = 16 - planes.depth;  // unused when sample_bytes is 1
  if (format.chroma_format == cudaVideoChromaFormat_420) {
    planes.chroma_step = 2;
    planes.cb = chroma + top / 2 * pitch + left / 2 * 2 * bytes;
    planes.cr = planes.cb + bytes;
  } else {
    planes.chroma_step = 1;
    planes.cb = chroma + top * pitch + left * bytes;
    planes.cr = planes.cb + pitch * from.rows;
  }
  picture.luma_x = tables.luma_x;
  picture.luma_y = tables.luma_y;
  picture.chroma_x = tables.chroma_x;
  picture.chroma_y = tables.chroma_y;
  // What the bitstream leaves open, the container may say: the rule of the CPU path.
  // Identity (0) makes no sense for 4:2:0: there it is a description the parser has not filled in.
  constexpr int kIdentity = 0, kUnspecified = 2, kFullRange = 2;
  const auto& signal = format.video_signal_description;
  const bool is_said = signal.matrix_coefficients != kUnspecified &&
                       (signal.matrix_coefficients != kIdentity || planes.chroma_step == 1);
  const int matrix = is_said ? signal.matrix_coefficients : facts_.color_space;
  const bool full = signal.video_full_range_flag != 0 || facts_.color_range == kFullRange;
  picture.color = pixel::yuv_to_rgb(matrix, full, planes.depth);
  const Orientation& turn = facts_.orientation;
  picture.turn = {turn.transpose, turn.flip_horizontal, turn.flip_vertical};
  picture.width = format_.width;
  picture.height = format_.height;
  picture.target = place(at);
  device::launch(target_.ordinal, "deepsport_picture", grid_for(format_.width, format_.height),
                 stream_, picture);
}

void DeviceConverter::lay_out(CUdeviceptr rgb, std::size_t at) {
  const pixel::Layout layout{pointer<const std::uint8_t>(rgb), format_.width, format_.height,
                             place(at)};
  device::launch(target_.ordinal, "deepsport_layout", grid_for(format_.width, format_.height),
                 stream_, layout);
}

void DeviceConverter::upload(const std::uint8_t* rgb, std::size_t at) {
  const std::size_t bytes =
      3 * static_cast<std::size_t>(format_.width) * static_cast<std::size_t>(format_.height);
  if (!pixels_) pixels_ = std::make_unique<Scratch>(target_.ordinal, bytes, stream_);
  pending_ = true;
  device::check(device::cuda().copy_to_device(pixels_->get(), rgb, bytes, stream_),
                "cuMemcpyHtoDAsync of a picture");
  lay_out(pixels_->get(), at);
}

}  // namespace deepsport::cuda
