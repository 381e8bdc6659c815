// What happens when the driver refuses, or the file is damaged: a typed error or a marked picture,
// nothing left behind, and the next request works. On the fake driver.
#include <fstream>
#include <iterator>
#include <random>

#include "device_request.hpp"

namespace deepsport {
namespace {

using tests::clip;
using tests::counts;
using tests::on_cpu;
using tests::on_device;
using tests::open;

class CudaFaults : public tests::OnFakeDriver {};

const char* const kFunctions[] = {
#define X(member, name, type) name,
    DEEPSPORT_CUDA_FUNCTIONS(X) DEEPSPORT_NVDEC_FUNCTIONS(X)
#undef X
};

TEST_F(CudaFaults, EveryCallThatFailsIsAnErrorAndLeavesNothingBehind) {
  const auto video = open(clip("h264.mp4"));
  const std::vector<std::int64_t> frames = {0, 20, 40};
  const auto wanted = on_cpu(*video, frames);
  on_device(*video, frames);
  int fired = 0;
  for (const char* function : kFunctions) {
    for (const int nth : {1, 2, 3, 5, 15}) {
      release_cuda_decoders();
      const long before = counts().injected;
      FAKE(fake_fail)(function, nth, 719);
      Errc code = Errc::kOk;
      std::vector<std::uint8_t> found;
      try {
        found = on_device(*video, frames).bytes;
      } catch (const Error& error) {
        code = error.code();
        EXPECT_NE(std::string(error.what()), "");
      }
      FAKE(fake_fail)("", 0, 0);
      const bool hit = counts().injected > before;
      fired += hit;
      // Some calls give things back or ask politely: their failure may pass when the pictures are
      // right.
      if (code == Errc::kOk) {
        EXPECT_EQ(found, wanted) << function << " #" << nth;
      }
      if (!hit) {
        EXPECT_EQ(code, Errc::kOk) << function << " #" << nth << " failed without an order";
      }
      release_cuda_decoders();
      const FakeCounts now = counts();
      const std::string what = std::string(function) + " #" + std::to_string(nth);
      EXPECT_EQ(now.memory_blocks, 0) << what;
      EXPECT_EQ(now.streams, 0) << what;
      EXPECT_EQ(now.events, 0) << what;
      EXPECT_EQ(now.decoders, 0) << what;
      EXPECT_EQ(now.parsers, 0) << what;
      EXPECT_EQ(now.mapped, 0) << what;
    }
  }
  EXPECT_GE(fired, 40);
  EXPECT_EQ(on_device(*video, frames).bytes, wanted);
}

TEST_F(CudaFaults, FortyDamagedFilesGiveAnErrorOrPicturesAndNothingElse) {
  std::ifstream file(clip("h264.mp4"), std::ios::binary);
  const std::string good((std::istreambuf_iterator<char>(file)), {});
  ASSERT_GT(good.size(), 1000U);
  std::mt19937 random(5);
  int decoded = 0, refused = 0;
  for (int k = 0; k < 40; ++k) {
    auto bytes = std::make_shared<std::string>(good);
    for (int i = 0; i <= k; ++i) {
      (*bytes)[random() % bytes->size()] ^= static_cast<char>(1 << random() % 8);
    }
    if (k % 5 == 0) bytes->resize(random() % bytes->size());
    auto video = Video::open(open_memory(bytes, bytes->data(), bytes->size(), "damaged"), {}, {});
    if (!video) {
      ++refused;
      continue;
    }
    const std::int64_t count = video.value()->index().frame_count();
    PictureFormat format;
    format.width = 64;
    format.height = 48;
    try {
      on_device(*video.value(), {0, count / 2, count - 1}, format);
      ++decoded;
    } catch (const Error& error) {
      EXPECT_NE(error.code(), Errc::kInternal) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(decoded, 10);
  EXPECT_EQ(decoded + refused, 40);
}

}  // namespace
}  // namespace deepsport
