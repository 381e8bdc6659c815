// One video under many threads: opened by all, read by all, decoded by all, for the thread
// sanitizer (nox -s sanitize) and for the eye: the same pixels whoever asks.
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "deepsport/frames.hpp"

namespace deepsport {
namespace {

constexpr OutputSize kSize{32, 24};
constexpr std::size_t kBytes = 32 * 24 * 3;

std::vector<std::uint8_t> pictures(Video& video, const std::vector<std::int64_t>& frames,
                                   int threads) {
  std::vector<std::uint8_t> pixels(frames.size() * kBytes);
  DecodeOptions options;
  options.threads = threads;
  video.rgb(frames, kSize, options, pixels.data()).value();
  return pixels;
}

class Threads : public ::testing::TestWithParam<const char*> {};

TEST_P(Threads, ShareAVideo) {
  const std::string path = std::string(DEEPSPORT_CORPUS) + "/" + GetParam();
  const auto video = Video::open(open_file(path).value(), {}, {}).value();
  const std::int64_t count = video->index().frame_count();
  std::vector<std::int64_t> all;
  for (std::int64_t frame = 0; frame < count; ++frame) all.push_back(frame);
  const auto want = pictures(*video, all, 1);
  std::atomic<int> different{0};
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&, seed] {
      std::mt19937 random(seed);
      for (int round = 0; round < 8; ++round) {
        auto used = video;
        if (random() % 4 == 0) used = Video::open(open_file(path).value(), {}, {}).value();
        std::vector<std::int64_t> frames;
        for (int i = 0; i < 3; ++i) frames.push_back(static_cast<std::int64_t>(random()) % count);
        const auto got = pictures(*used, frames, 1 + static_cast<int>(random() % 3));
        for (std::size_t i = 0; i < frames.size(); ++i) {
          const auto from = want.begin() + frames[i] * static_cast<std::ptrdiff_t>(kBytes);
          if (!std::equal(from, from + kBytes,
                          got.begin() + static_cast<std::ptrdiff_t>(i * kBytes))) {
            ++different;
          }
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(different, 0);
}

TEST_P(Threads, OneCancelsAnother) {
  const std::string path = std::string(DEEPSPORT_CORPUS) + "/" + GetParam();
  const auto video = Video::open(open_file(path).value(), {}, {}).value();
  std::atomic<bool> stop{false};
  std::thread canceller([&] { stop = true; });
  DecodeOptions options;
  options.threads = 2;
  options.deadline.cancel_flag = &stop;
  std::vector<std::uint8_t> pixels(kBytes);
  Errc code = Errc::kOk;
  while (code == Errc::kOk) code = video->rgb({0}, kSize, options, pixels.data()).code();
  EXPECT_EQ(code, Errc::kCancelled);
  canceller.join();
  EXPECT_EQ(video->rgb({0}, kSize, {}, pixels.data()).code(), Errc::kOk);
}

INSTANTIATE_TEST_SUITE_P(Clips, Threads,
                         ::testing::Values("h264.mp4", "h264.ts", "hevc.mp4", "vp9.webm"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           name[name.find('.')] = '_';
                           return name;
                         });

}  // namespace
}  // namespace deepsport
