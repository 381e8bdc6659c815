// Arbitrary bytes as the body of an index file whose checksum fits: refused, or an index that a
// video can be decoded with, right or wrong, without harm.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "corpus.hpp"
#include "deepsport/frames.hpp"
#include "index/checksum.hpp"
#include "index/file.hpp"

namespace {

constexpr std::size_t kHeader = 8 + 4 + 8 + 8;  // magic, version, length, checksum
constexpr std::size_t kSigned = 4 + 32 + 8;     // key, modification time

void require(bool holds) {
  if (!holds) std::abort();
}

/// The videos, and the file that each one's index makes.
struct Given {
  std::string bytes;
  std::shared_ptr<const deepsport::Source> source;
  std::string key;
  std::vector<std::uint8_t> file;
};

const std::vector<Given>& given() {
  static const std::vector<Given> made = [] {
    deepsport::quiet_ffmpeg();
    std::vector<Given> all;
    for (const std::string& bytes : corpus_videos()) {
      Given one;
      one.bytes = bytes;
      all.push_back(std::move(one));
    }
    for (Given& one : all) {
      one.source = deepsport::open_memory(nullptr, one.bytes.data(), one.bytes.size(), "corpus");
      deepsport::FrameIndex index =
          *deepsport::build_index(one.source, {}, deepsport::Deadline()).value();
      one.key = deepsport::content_key(*one.source);
      one.file = deepsport::to_bytes(index, one.key, 0);
      require(one.key.size() + 12 == kSigned);
    }
    return all;
  }();
  return made;
}

void seal(std::vector<std::uint8_t>* file) {
  const std::uint64_t length = file->size() - kHeader;
  for (std::size_t i = 0; i < 8; ++i) {
    (*file)[12 + i] = static_cast<std::uint8_t>(length >> (8 * i));
  }
  const std::uint64_t sum = deepsport::checksum64(file->data() + kHeader, length);
  for (std::size_t i = 0; i < 8; ++i) {
    (*file)[kHeader - 8 + i] = static_cast<std::uint8_t>(sum >> (8 * i));
  }
}

}  // namespace

/// The number of a video and what follows the key in its file.
std::vector<std::string> fuzz_seeds() {
  std::vector<std::string> seeds;
  for (std::size_t i = 0; i < given().size(); ++i) {
    const auto& file = given()[i].file;
    seeds.emplace_back(1, static_cast<char>(i));
    seeds.back().append(file.begin() + kHeader + kSigned, file.end());
  }
  return seeds;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Given& video = given()[data[0] % given().size()];
  constexpr std::size_t kStart = kHeader + kSigned;
  std::vector<std::uint8_t> file(kStart + size - 1);
  std::copy_n(video.file.begin(), kStart, file.begin());
  std::copy(data + 1, data + size, file.begin() + kStart);
  std::string why;
  require(!deepsport::from_bytes(file, video.key, 0, why) || file == video.file);
  seal(&file);
  auto index = deepsport::from_bytes(file, video.key, 0, why);
  if (!index) {
    require(!why.empty());
    return 0;
  }
  const auto shared = std::make_shared<const deepsport::FrameIndex>(std::move(*index));
  deepsport::Limits limits;
  limits.max_pixels = 128 * 128;
  limits.max_packet_bytes = 1 << 20;
  deepsport::Video opened(video.source, shared, limits);
  const std::int64_t last = shared->frame_count() - 1;
  deepsport::DecodeOptions how;
  how.deadline = deepsport::Deadline::after(20);
  std::vector<std::uint8_t> rgb(3 * 16 * 16 * 3);
  const auto found = opened.rgb({0, last / 2, last}, {16, 16}, how, rgb.data());
  require(found || found.code() != deepsport::Errc::kInternal);
  return 0;
}
