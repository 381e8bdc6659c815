// For tests: a request for pictures on a device, into memory made and read back here, and the fake
// driver's own functions.
#pragma once

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <climits>
#include <cstdlib>
#include <string>
#include <vector>

#include "deepsport/cuda.hpp"
#include "device/context.hpp"
#include "fake.hpp"

namespace deepsport::tests {

/// A function of the fake driver; fails the test where the driver is not the fake.
template <typename Function>
Function* fake(const char* name) {
  static void* library = ::dlopen("libcuda.so.1", RTLD_NOW);
  auto* found = library == nullptr ? nullptr : reinterpret_cast<Function*>(::dlsym(library, name));
  if (found == nullptr) {
    ADD_FAILURE() << "these tests want the fake driver first on LD_LIBRARY_PATH; run them by ctest";
    std::abort();
  }
  return found;
}
#define FAKE(name) (*deepsport::tests::fake<decltype(name)>(#name))

inline FakeCounts counts() {
  FakeCounts found;
  FAKE(fake_counts)(&found);
  return found;
}

inline std::string clip(const std::string& name) {
  const char* folder = std::getenv("DEEPSPORT_CUDA_CLIPS");
  return (folder != nullptr ? std::string(folder) : std::string("clips")) + "/" + name;
}

inline std::shared_ptr<Video> open(const std::string& path) {
  return Video::open(open_file(path).value(), {}, {}).value();
}

inline std::vector<std::int64_t> all_frames(const Video& video) {
  std::vector<std::int64_t> frames;
  for (std::int64_t i = 0; i < video.index().frame_count(); ++i) frames.push_back(i);
  return frames;
}

struct Answer {
  std::vector<std::uint8_t> bytes;
  std::vector<FrameStatus> status;
  CudaReport report;
};

/// Decode on a stream of the caller's, read back on another that only waits for an event, as a
/// framework would. Everything made here is gone when this returns or throws.
inline Answer on_device(Video& video, const std::vector<std::int64_t>& frames,
                        PictureFormat format = {}, int ordinal = 0, DecodeOptions options = {}) {
  if (format.width == 0) format.width = video.index().stream.width();
  if (format.height == 0) format.height = video.index().stream.height();
  Answer answer;
  answer.bytes.resize(format.total_bytes(frames.size(), format.width, format.height));
  struct Memory {
    CUdeviceptr address = 0;
    CUstream stream = nullptr;
    ~Memory() {
      if (address != 0) device::cuda().release(address, stream);
    }
  };
  const device::ContextGuard context(ordinal);
  const device::Stream producer, consumer;
  device::Event ready;
  Memory memory;
  memory.stream = producer.get();  // until the consumer waits for it, also when that fails
  device::check(device::cuda().allocate(&memory.address, answer.bytes.size(), producer.get()),
                "cuMemAllocAsync");
  const CudaTarget target{ordinal, memory.address, answer.bytes.size(),
                          reinterpret_cast<std::uintptr_t>(producer.get())};
  answer.status = decode_to_cuda(video, frames, format, target, options, &answer.report).value();
  ready.record(producer.get());
  device::check(device::cuda().stream_wait(consumer.get(), ready.get(), 0), "cuStreamWaitEvent");
  memory.stream = consumer.get();
  device::check(device::cuda().copy_to_host(answer.bytes.data(), memory.address,
                                            answer.bytes.size(), consumer.get()),
                "cuMemcpyDtoHAsync");
  device::check(device::cuda().stream_synchronise(consumer.get()), "cuStreamSynchronize");
  return answer;
}

inline std::vector<std::uint8_t> on_cpu(Video& video, const std::vector<std::int64_t>& frames,
                                        int width = 0, int height = 0) {
  if (width == 0) width = video.index().stream.width();
  if (height == 0) height = video.index().stream.height();
  std::vector<std::uint8_t> bytes(frames.size() * 3 * static_cast<std::size_t>(width) *
                                  static_cast<std::size_t>(height));
  video.rgb(frames, {width, height}, {}, bytes.data()).value();
  return bytes;
}

/// Every test: starts from an empty pool, ends with nothing alive and no rule broken.
class OnFakeDriver : public ::testing::Test {
 protected:
  void SetUp() override {
    quiet_ffmpeg();
    FAKE(fake_fail)("", 0, 0);
    FAKE(fake_set_lazy)(1);
    FAKE(fake_set)("wrong_vp9_pts", 0);
    FAKE(fake_set)("cycle", 0);
    FAKE(fake_set)("error_at", -1);
    FAKE(fake_set)("times_stay", 0);
    FAKE(fake_set)("late_parser", 0);
    FAKE(fake_set)("grow_after", INT_MAX);
    FAKE(fake_forget_violation)();
    release_cuda_decoders();
    ASSERT_TRUE(cuda_status().decodes()) << cuda_status().why_not();
  }
  void TearDown() override {
    release_cuda_decoders();
    expect_nothing_alive();
    EXPECT_STREQ(FAKE(fake_violation)(), "") << "a rule of the (fake) driver was broken";
  }
  static void expect_nothing_alive() {
    const FakeCounts now = counts();
    EXPECT_EQ(now.memory_blocks, 0);
    EXPECT_EQ(now.host_blocks, 0);
    EXPECT_EQ(now.streams, 0);
    EXPECT_EQ(now.events, 0);
    EXPECT_EQ(now.decoders, 0);
    EXPECT_EQ(now.parsers, 0);
    EXPECT_EQ(now.mapped, 0);
  }
};

}  // namespace deepsport::tests
