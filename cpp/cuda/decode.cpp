// A request for pictures on the device: the CPU path's plan run on NVDEC, or the CPU path itself
// with an upload where NVDEC cannot.
#include <algorithm>
#include <limits>
#include <string>
#include <unordered_map>

#include "cuda/convert.hpp"
#include "cuda/parser_input.hpp"
#include "deepsport/cuda.hpp"
#include "device/kernels.hpp"
#include "frames/lookout.hpp"
#include "frames/packet_reader.hpp"
#include "frames/plan.hpp"

namespace deepsport {

namespace cuda {
namespace {

// Where each distinct packet's picture goes.
using Places = std::unordered_map<std::uint32_t, std::vector<std::size_t>>;

struct Request {
  const Video& video;
  const FrameIndex& index;
  std::vector<std::int64_t> frames;  // one for each place of the output
  std::size_t asked = 0;  // frames asked for: fewer than places where patches repeat some
  PictureFormat format;
  CudaTarget target;
  DecodeOptions options;
  CudaReport& report;
  std::vector<FrameStatus> status;
};

CudaReport fresh(const CudaReport& old) {
  CudaReport report;
  report.keep_callbacks = old.keep_callbacks;
  return report;
}

void check_target(const Request& request) {
  const std::size_t needed =
      request.format.total_bytes(request.asked, request.format.width, request.format.height);
  const CudaTarget& target = request.target;
  if (target.bytes < needed || target.address == 0) {
    throw Error(Errc::kInvalidArgument, "decoding into " + std::to_string(target.bytes) +
                                            " bytes of device memory; valid are " +
                                            std::to_string(needed) + " or more for this request");
  }
  if (target.address % request.format.element_bytes() != 0) {
    throw Error(Errc::kInvalidArgument,
                "decoding into device memory that is not aligned; valid are multiples of " +
                    std::to_string(request.format.element_bytes()) + " bytes");
  }
}

// One pass over some segments; takes away from `open` what comes out.
class Run {
 public:
  Run(Request& request, DeviceConverter& converter, CUstream stream)
      : request_(request),
        converter_(converter),
        reader_(request.video.source(), request.index, request.video.limits()),
        lookout_(request.index),
        input_(request.index),
        packet_(ffmpeg::make_packet()),
        nvdec_(request.target.ordinal, request.index, stream,
               {[this](std::uint32_t packet) { return open_.count(packet) != 0; },
                [this](std::uint32_t packet, const DevicePicture& picture, bool damaged) {
                  deliver(packet, picture, damaged);
                }},
               request.report) {
    for (std::size_t at = 0; at < request.frames.size(); ++at) {
      open_[request.index.display_order[static_cast<std::size_t>(request.frames[at])]].push_back(
          at);
    }
  }

  void all() {
    for (const Segment& segment : plan_segments(request_.index, request_.frames)) {
      std::vector<std::uint32_t> targets = segment.targets;
      std::uint32_t start = segment.start;
      bool drop = request_.options.drop_unneeded;
      // Nothing came out for some: perhaps the start was none. As on the CPU path: once more from
      // the start before it, and at last from the very beginning, dropping nothing.
      for (int tries = 0;; ++tries) {
        run_from(start, targets, drop);
        const auto came = [this](std::uint32_t packet) { return open_.count(packet) == 0; };
        targets.erase(std::remove_if(targets.begin(), targets.end(), came), targets.end());
        if (targets.empty() || start == 0 || tries == 2) break;
        const auto& keys = request_.index.key_packets;
        const auto key = std::lower_bound(keys.begin(), keys.end(), start);
        start = key == keys.begin() || tries == 1 ? 0 : *(key - 1);
        drop = false;
      }
    }
    nvdec_.drain();
  }
  const Places& open() const noexcept {
    return open_;
  }

 private:
  void run_from(std::uint32_t start, const std::vector<std::uint32_t>& targets, bool drop) {
    ++request_.report.seeks;
    delivered_.clear();
    for (std::uint32_t number = start; number <= targets.back(); ++number) {
      request_.options.deadline.poll("decoding on cuda");
      const bool is_target = std::binary_search(targets.begin(), targets.end(), number);
      const bool droppable = drop && !is_target && number != start;
      if (droppable && !lookout_.needs_bytes() && lookout_.may_drop(number, *packet_)) {
        ++request_.report.packets_dropped;
        continue;
      }
      reader_.read(number, packet_.get(), request_.options.deadline);
      if (number == start && number > 0 && !lookout_.is_start(number, *packet_)) return;
      if (droppable && lookout_.needs_bytes() && lookout_.may_drop(number, *packet_)) {
        ++request_.report.packets_dropped;
        continue;
      }
      nvdec_.feed(input_.convert(number, packet_.get(), number == start), number);
      ++request_.report.packets_decoded;
    }
    // Where order alone tells pictures apart, a number of pictures that is off taints them all.
    if (!nvdec_.finish()) mark_damaged();
  }

  void deliver(std::uint32_t packet, const DevicePicture& picture, bool damaged) {
    const auto found = open_.find(packet);
    damaged = damaged || request_.index.packets[packet].is(Packet::kDamaged);
    for (const std::size_t at : found->second) {
      converter_.convert(picture, at);
      request_.status[at] = damaged ? FrameStatus::kDamaged : FrameStatus::kOk;
      delivered_.push_back(at);
    }
    open_.erase(found);
  }

  void mark_damaged() {
    for (const std::size_t at : delivered_) request_.status[at] = FrameStatus::kDamaged;
  }

  Request& request_;
  DeviceConverter& converter_;
  PacketReader reader_;
  Lookout lookout_;
  ParserInput input_;
  ffmpeg::PacketPtr packet_;
  Places open_;
  std::vector<std::size_t> delivered_;
  Nvdec nvdec_;
};

void decode_by_nvdec(Request& request, DeviceConverter& converter) {
  const auto stream =
      reinterpret_cast<CUstream>(static_cast<std::uintptr_t>(request.target.stream));
  Run run(request, converter, stream);  // first, as it knows which codecs there are
  if (request.index.origin == IndexOrigin::kDecode) {
    throw NotForNvdec("the packets of this " + request.index.stream.codec +
                      " stream do not tell its pictures, which NVDEC's parser must know");
  }
  run.all();
  for (const auto& [packet, places] : run.open()) {
    for (const std::size_t at : places) converter.blacken(at);
  }
}

// The CPU path to host memory, a batch at a time, then up. Same pixels, more traffic.
void decode_by_cpu(Request& request, Video& video, DeviceConverter& converter) {
  const std::size_t picture = 3 * static_cast<std::size_t>(request.format.width) *
                              static_cast<std::size_t>(request.format.height);
  constexpr std::size_t kBatchBytes = std::size_t{64} << 20;
  const std::size_t batch =
      std::min(request.frames.size(), std::max<std::size_t>(1, kBatchBytes / picture));
  const auto pinned = PinnedMemory::allocate(request.target.ordinal, batch * picture).value();
  std::uint8_t* const pixels = pinned->data();
  for (std::size_t begin = 0; begin < request.frames.size(); begin += batch) {
    const std::size_t end = std::min(begin + batch, request.frames.size());
    const std::vector<std::int64_t> frames(
        request.frames.begin() + static_cast<std::ptrdiff_t>(begin),
        request.frames.begin() + static_cast<std::ptrdiff_t>(end));
    DecodeCounts counts;
    const auto status = video
                            .rgb(frames, {request.format.width, request.format.height},
                                 request.options, pixels, &counts)
                            .value();
    request.report.packets_decoded += counts.packets_decoded;
    request.report.packets_dropped += counts.packets_dropped;
    request.report.seeks += counts.seeks;
    for (std::size_t i = 0; i < frames.size(); ++i) {
      request.status[begin + i] = status[i];
      converter.upload(pixels + i * picture, begin + i);
    }
    converter.finish();
  }
}

void run(Request& request, Video& video) {
  const device::ContextGuard context(request.target.ordinal);
  device::kernel(request.target.ordinal,
                 "deepsport_picture");  // no kernels: say so before decoding
  std::string why;
  {
    DeviceConverter converter(request.format, request.index.stream, request.target);
    try {
      decode_by_nvdec(request, converter);
      converter.finish();
      return;
    } catch (const NotForNvdec& reason) {
      why = reason.what();
    }
  }
  request.report = fresh(request.report);
  request.report.why_on_cpu = why;
  std::fill(request.status.begin(), request.status.end(), FrameStatus::kMissing);
  DeviceConverter converter(request.format, request.index.stream, request.target);
  decode_by_cpu(request, video, converter);
}

}  // namespace
}  // namespace cuda

Result<std::vector<FrameStatus>> decode_to_cuda(Video& video,
                                                const std::vector<std::int64_t>& frames,
                                                const PictureFormat& format,
                                                const CudaTarget& target,
                                                const DecodeOptions& options, CudaReport* report) {
  try {
    CudaReport unused;
    const StreamFacts& stream = video.index().stream;
    cuda::Request request{video,
                          video.index(),
                          video.resolve(frames),
                          frames.size(),
                          format,
                          target,
                          options,
                          report != nullptr ? *report : unused,
                          {}};
    request.report = cuda::fresh(request.report);
    if (request.format.width == 0) request.format.width = stream.width();
    if (request.format.height == 0) request.format.height = stream.height();
    request.format.check();
    cuda::check_target(request);
    if (frames.empty()) return std::vector<FrameStatus>{};
    request.frames = format.places(request.frames);
    request.status.assign(request.frames.size(), FrameStatus::kMissing);
    device::nvdec();  // absent: the reason, not a slower way that nobody asked for
    cuda::run(request, video);
    const bool repeats = format.order == PixelOrder::kPatches && !format.spans;
    const std::size_t step = repeats ? static_cast<std::size_t>(format.temporal) : 1;
    std::vector<FrameStatus> status;
    for (std::size_t i = 0; i < request.asked; ++i) status.push_back(request.status[i * step]);
    return status;
  } catch (const Error& error) {
    return Error(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return Error(Errc::kLimit, video.name() + ": not enough memory to decode " +
                                   std::to_string(frames.size()) + " frames to cuda");
  }
}

}  // namespace deepsport
