// A request for pictures on the device: the CPU path's plan run on NVDEC, or the CPU path itself
// with an upload where NVDEC cannot.
#include <algorithm>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>

#include "cuda/convert.hpp"
#include "cuda/parser_input.hpp"
#include "deepsport/cuda.hpp"
#include "device/kernels.hpp"
#include "frames/damage.hpp"
#include "frames/lookout.hpp"
#include "frames/packet_reader.hpp"
#include "frames/plan.hpp"
#include "frames/workers.hpp"

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

  CUstream stream() const {
    return reinterpret_cast<CUstream>(static_cast<std::uintptr_t>(target.stream));
  }
};

CudaReport fresh(const CudaReport& old) {
  CudaReport report;
  report.keep_callbacks = old.keep_callbacks;
  return report;
}

void add(const CudaReport& part, CudaReport& whole) {
  static_cast<DecodeCounts&>(whole) += part;
  whole.pictures_mapped += part.pictures_mapped;
  whole.decoders_made += part.decoders_made;
  whole.decoders_reused += part.decoders_reused;
  whole.callbacks.insert(whole.callbacks.end(), part.callbacks.begin(), part.callbacks.end());
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

// One decoder at work on segments of the request. Several may be, each in a thread of its own:
// their segments share no picture.
class Run {
 public:
  Run(Request& request, const Places& places)
      : report(fresh(request.report)),
        request_(request),
        places_(places),
        converter_(request.format, request.index.stream, request.target),
        reader_(request.video.source(), request.index, request.video.limits()),
        lookout_(request.index),
        damage_(request.index),
        input_(request.index),
        packet_(ffmpeg::make_packet()),
        nvdec_(request.target.ordinal, request.index, request.stream(),
               {[this](std::uint32_t packet) { return open_.count(packet) != 0; },
                [this](std::uint32_t packet) {
                  if (!can_be_decoded_from(request_.index, began_, packet)) return;
                  damage_.mark(packet);
                  spoilt_.insert(packet);
                },
                [this](std::uint32_t packet, const DevicePicture& picture) {
                  deliver(packet, picture);
                }},
               report) {}

  // Nothing came out for some: perhaps the start was none. As on the CPU path: once more from the
  // start before it, and at last from the very beginning, dropping nothing.
  void segment(const Segment& segment, Deadline& deadline) {
    open_ = std::set<std::uint32_t>(segment.targets.begin(), segment.targets.end());
    std::uint32_t start = segment.start;
    bool drop = request_.options.drop_unneeded;
    for (int tries = 0;; ++tries) {
      run_from(start, drop, deadline);
      if (open_.empty()) return;
      if (start == 0 || tries == 2) break;
      const auto& keys = request_.index.key_packets;
      const auto key = std::lower_bound(keys.begin(), keys.end(), start);
      start = key == keys.begin() || tries == 1 ? 0 : *(key - 1);
      drop = false;
    }
    // Damage, or a kind of picture that the engine claims to know and does not: the CPU's turn.
    throw NotForNvdec("NVDEC gave no picture for " + std::to_string(open_.size()) + " of the " +
                      std::to_string(segment.targets.size()) + " frames of a run");
  }
  void finish() {
    nvdec_.drain();
    converter_.finish();
  }

  CudaReport report;

 private:
  void run_from(std::uint32_t start, bool drop, Deadline& deadline) {
    ++report.seeks;
    delivered_.clear();
    damage_.clear();
    spoilt_.clear();
    began_ = start;
    const std::set<std::uint32_t> targets = open_;
    for (std::uint32_t number = start; number <= *targets.rbegin(); ++number) {
      deadline.poll("decoding on cuda");
      const bool droppable = drop && targets.count(number) == 0 && number != start;
      if (droppable && !lookout_.needs_bytes() && lookout_.may_drop(number, *packet_)) {
        ++report.packets_dropped;
        continue;
      }
      reader_.read(number, packet_.get(), deadline);
      if (number == start && number > 0 && !lookout_.is_start(number, *packet_)) return;
      if (droppable && lookout_.needs_bytes() && lookout_.may_drop(number, *packet_)) {
        ++report.packets_dropped;
        continue;
      }
      if (request_.index.packets[number].is(Packet::kDamaged)) damage_.mark(number);
      nvdec_.feed(input_.convert(number, packet_.get(), number == start), number);
      ++report.packets_decoded;
    }
    // Where order alone tells pictures apart, a number of pictures that is off taints them all.
    const bool in_order = nvdec_.finish();
    for (const std::uint32_t packet : delivered_) {
      if (!in_order || is_damaged(packet)) set_status(packet, FrameStatus::kDamaged);
    }
  }

  void deliver(std::uint32_t packet, const DevicePicture& picture) {
    for (const std::size_t at : places_.at(packet)) converter_.convert(picture, at);
    set_status(packet, is_damaged(packet) ? FrameStatus::kDamaged : FrameStatus::kOk);
    delivered_.push_back(packet);
    open_.erase(packet);
  }

  bool is_damaged(std::uint32_t packet) const {
    return spoilt_.count(packet) != 0 || damage_.reaches(packet) ||
           request_.index.packets[packet].is(Packet::kDamaged);
  }

  void set_status(std::uint32_t packet, FrameStatus status) {
    for (const std::size_t at : places_.at(packet)) request_.status[at] = status;
  }

  Request& request_;
  const Places& places_;
  DeviceConverter converter_;
  PacketReader reader_;
  Lookout lookout_;
  Damage damage_;
  ParserInput input_;
  ffmpeg::PacketPtr packet_;
  std::uint32_t began_ = 0;
  std::set<std::uint32_t> open_;    // wanted in this segment, not come out yet
  std::set<std::uint32_t> spoilt_;  // themselves, whether anything refers to them or not
  std::vector<std::uint32_t> delivered_;
  Nvdec nvdec_;
};

Places places_of(const Request& request) {
  Places places;
  for (std::size_t at = 0; at < request.frames.size(); ++at) {
    const auto frame = static_cast<std::size_t>(request.frames[at]);
    places[request.index.display_order[frame]].push_back(at);
  }
  return places;
}

// A device has several engines, and a decoder keeps one of them busy: segments are spread over as
// many decoders as the request may have threads.
void decode_by_nvdec(Request& request) {
  const Places places = places_of(request);
  std::vector<Segment> segments = plan_segments(request.index, request.frames);
  const auto most = static_cast<std::size_t>(request.options.threads);
  const int workers = static_cast<int>(std::min(segments.size(), most));
  if (workers > 1) sort_by_length(segments);
  std::mutex mutex;
  run_workers(workers, segments.size(), request.options.deadline,
              [&](int, Pieces& pieces, Deadline& deadline) {
                const device::ContextGuard own(request.target.ordinal);
                Run run(request, places);  // first, as it knows which codecs there are
                if (request.index.origin == IndexOrigin::kDecode) {
                  throw NotForNvdec("the packets of this " + request.index.stream.codec +
                                    " stream do not tell its pictures, which NVDEC's parser must "
                                    "know");
                }
                while (const auto piece = pieces.next()) run.segment(segments[*piece], deadline);
                run.finish();
                const std::lock_guard<std::mutex> lock(mutex);
                add(run.report, request.report);
              });
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
    request.report += counts;
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
  try {
    return decode_by_nvdec(request);
  } catch (const NotForNvdec& reason) {
    why = reason.what();
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
    check_threads(options.threads);
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
