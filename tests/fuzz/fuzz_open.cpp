// Arbitrary bytes as a video, with small limits: a typed error or frames, in bounded time and
// memory, and facts that hold together.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "corpus.hpp"
#include "deepsport/frames.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

constexpr double kSeconds = 20;  // of a machine that a sanitizer makes slow

}  // namespace

std::vector<std::string> fuzz_seeds() {
  return corpus_videos();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  deepsport::quiet_ffmpeg();
  deepsport::OpenOptions options;
  options.index.limits.max_pixels = 128 * 128;
  options.index.limits.max_packets = 2000;
  options.index.limits.max_packet_bytes = 1 << 20;
  const auto source = deepsport::open_memory(nullptr, data, size, "fuzz");
  auto opened = deepsport::Video::open(source, options, deepsport::Deadline::after(kSeconds));
  if (!opened) {
    require(opened.code() != deepsport::Errc::kInternal);
    require(opened.code() != deepsport::Errc::kTimeout);
    return 0;
  }
  deepsport::Video& video = *opened.value();
  const deepsport::FrameIndex& index = video.index();
  const std::int64_t count = index.frame_count();
  require(count > 0 && count <= options.index.limits.max_packets);
  require(index.stream.width() > 0 && index.stream.height() > 0);
  require(std::is_sorted(index.pts.begin(), index.pts.end()));
  require(index.end_pts >= index.pts.back());

  std::vector<std::int64_t> frames = {count - 1, 0, count / 2};
  deepsport::DecodeOptions how;
  how.deadline = deepsport::Deadline::after(kSeconds);
  std::vector<std::uint8_t> rgb(frames.size() * 16 * 16 * 3);
  const auto found = video.rgb(frames, {16, 16}, how, rgb.data());
  require(!found || found.value().size() == frames.size());
  require(found || found.code() != deepsport::Errc::kInternal);
  how.deadline = deepsport::Deadline::after(kSeconds);
  const auto planes = video.planes(frames, how);
  require(planes || planes.code() != deepsport::Errc::kInternal);
  return 0;
}
