// What happens when the driver refuses, or the file is damaged: a typed error or a marked picture,
// nothing left behind, and the next request works. On the fake driver.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <set>

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
// Called once per process: a process of their own each, below.
const std::set<std::string> kAtFirstUse = {
    "cuInit",           "cuDriverGetVersion",  "cuDeviceGetCount", "cuDevicePrimaryCtxRetain",
    "cuModuleLoadData", "cuModuleGetFunction",
};
const std::set<std::string> kOfErrors = {"cuGetErrorName", "cuGetErrorString"};

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// What there is to do with a device, each part with the bytes it must give.
class Everything {
 public:
  Everything()
      : video_(open(clip("h264.mp4"))),
        not_for_nvdec_(open(clip("mpeg4.avi"))),
        with_a_hole_(hole()),
        wanted_(on_cpu(*video_, kFrames)),
        wanted_by_cpu_(on_cpu(*not_for_nvdec_, {3})) {}

  /// @throws Error. Fails the test when a part that did not throw gave wrong bytes.
  void run() {
    cuda_device(0).value();
    EXPECT_EQ(on_device(*video_, kFrames).bytes, wanted_);
    EXPECT_EQ(on_device(*not_for_nvdec_, {3}).bytes, wanted_by_cpu_);
    const auto black = on_device(*with_a_hole_, {5});
    EXPECT_EQ(black.status[0], FrameStatus::kMissing);
    EXPECT_TRUE(black.report.why_on_cpu.find("no picture for 1 of the 1") != std::string::npos ||
                black.report.why_on_cpu.find("NVDEC failed") != std::string::npos)
        << black.report.why_on_cpu;
    EXPECT_EQ(black.bytes, std::vector<std::uint8_t>(black.bytes.size(), 0));
    memory();
    release_cuda_decoders();
  }

 private:
  inline static const std::vector<std::int64_t> kFrames = {0, 20, 40};

  // The packet of frame 5 overwritten with zeros: nothing can be decoded for it.
  static std::shared_ptr<Video> hole() {
    const auto whole = open(clip("h264.mp4"));
    auto bytes = std::make_shared<std::string>(contents(clip("h264.mp4")));
    const FrameIndex& index = whole->index();
    const Packet& packet = index.packets[index.display_order[5]];
    std::fill_n(bytes->begin() + static_cast<std::ptrdiff_t>(packet.offset), packet.size, '\0');
    return Video::open(open_memory(bytes, bytes->data(), bytes->size(), "hole"), {}, {}).value();
  }

  static void memory() {
    const auto memory = CudaMemory::allocate(0, 64).value();
    const auto host = PinnedMemory::allocate(0, 64).value();
    memory->filled().value();
    memory->read_on(1).value();
    memory->read_on(2).value();
    memory->copy_to(host->data()).value();
    CudaAdvantages what;
    what.stream = memory->target().stream;
    what.rewards = memory->target().address;
    what.out = memory->target().address + 32;
    what.groups = 1;
    what.group_size = 8;
    queue_advantages(what).value();
  }

  std::shared_ptr<Video> video_, not_for_nvdec_, with_a_hole_;
  std::vector<std::uint8_t> wanted_, wanted_by_cpu_;
};

TEST_F(CudaFaults, EveryCallThatFailsIsAnErrorOrRightPicturesAndLeavesNothingBehind) {
  Everything everything;
  everything.run();
  for (const std::string function : kFunctions) {
    int fired = 0;
    for (const int nth : {1, 2, 3, 5, 15}) {
      const std::string what = function + " #" + std::to_string(nth);
      SCOPED_TRACE(what);
      release_cuda_decoders();
      const long before = counts().injected;
      FAKE(fake_fail)(function.c_str(), nth, 719);
      Errc code = Errc::kOk;
      try {
        everything.run();
      } catch (const Error& error) {
        code = error.code();
        EXPECT_NE(std::string(error.what()), "");
      }
      FAKE(fake_fail)("", 0, 0);
      const bool hit = counts().injected > before;
      fired += hit;
      if (!hit) {
        EXPECT_EQ(code, Errc::kOk) << "failed without an order";
        break;  // the later ones would not be reached either
      }
      // Some calls give things back or ask politely, and what NVDEC fails at the CPU decodes.
      EXPECT_TRUE(code == Errc::kOk || code == Errc::kDevice) << static_cast<int>(code);
      release_cuda_decoders();
      expect_nothing_alive();
    }
    if (kAtFirstUse.count(function) == 0 && kOfErrors.count(function) == 0) {
      EXPECT_GT(fired, 0) << function << " was never made to fail";
    }
  }
  everything.run();
}

TEST_F(CudaFaults, AnErrorWithoutANameOrWordsIsStillToldApart) {
  for (const int nameless : {0, 1}) {
    FAKE(fake_fail)("cuMemAllocAsync", 1, 719);
    FAKE(fake_fail)("cuGetErrorString", 1, 999);
    if (nameless == 1) FAKE(fake_fail)("cuGetErrorName", 1, 999);
    const std::string name = nameless == 1 ? "CUDA error 719" : "CUDA_ERROR_LAUNCH_FAILED";
    try {
      CudaMemory::allocate(0, 64).value();
      ADD_FAILURE() << "nothing failed";
    } catch (const Error& error) {
      EXPECT_EQ(error.what(), "64 bytes on cuda:0: cuMemAllocAsync: " + name +
                                  " (the driver has no words for it)");
    }
    FAKE(fake_fail)("", 0, 0);
  }
}

// CUDA_ERROR_OUT_OF_MEMORY is 2. A decoder holds its surfaces: 50 to 300 MB.
TEST_F(CudaFaults, KeptDecodersMakeRoomForMemory) {
  on_device(*open(clip("h264.mp4")), {0});
  ASSERT_EQ(counts().decoders, 1);
  FAKE(fake_fail)("cuMemAllocAsync", 1, 2);
  EXPECT_TRUE(CudaMemory::allocate(0, 64));
  EXPECT_EQ(counts().decoders, 0);
}

TEST_F(CudaFaults, ADeviceWithoutMemorySaysWhatWasAskedAndWhatWouldBeValid) {
  for (const int nth : {1, 2}) FAKE(fake_fail)("cuMemAllocAsync", nth, 2);
  const auto found = CudaMemory::allocate(0, 3 << 20);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.code(), Errc::kDevice);
  EXPECT_EQ(found.error().what(),
            std::string("3145728 bytes on cuda:0: cuMemAllocAsync says CUDA_ERROR_OUT_OF_MEMORY, "
                        "also without kept decoders; valid are fewer or smaller frames at a time, "
                        "or a device with more memory free"));
}

// What is called once per process fails in a process of its own: this program, with an order from
// the start.
TEST_F(CudaFaults, WhatFailsAtTheFirstUseIsASentence) {
  for (const std::string& function : kAtFirstUse) {
    const std::string order = "FAKE_CUDA_FAIL=" + function + ":1:999 ";
    char self[4096] = "";
    ASSERT_GT(::readlink("/proc/self/exe", self, sizeof self - 1), 0);
    const std::string command = order + self +
                                " --gtest_also_run_disabled_tests --gtest_filter=CudaAtFirstUse.* "
                                "--gtest_brief=1 >&2";
    EXPECT_EQ(std::system(command.c_str()), 0) << function;
  }
}

TEST(CudaAtFirstUse, DISABLED_AFailureIsAReasonOrATypedErrorAndTheCpuGoesOn) {
  const std::string order = std::getenv("FAKE_CUDA_FAIL");
  const CudaStatus status = cuda_status();
  const auto video = open(clip("h264.mp4"));
  Errc code = Errc::kOk;
  std::string message;
  try {
    on_device(*video, {3});
  } catch (const Error& error) {
    code = error.code();
    message = error.what();
  }
  EXPECT_EQ(counts().injected, 1);
  if (order.find("cuDriverGetVersion") != std::string::npos) {
    EXPECT_EQ(code, Errc::kOk) << "only doctor wants to know";
    EXPECT_EQ(status.driver_version, 0);
  } else if (!status.driver) {
    EXPECT_EQ(code, Errc::kNoDevice);
    EXPECT_NE(status.why_no_driver.find("CUDA_ERROR_UNKNOWN"), std::string::npos);
    EXPECT_NE(message.find(status.why_no_driver), std::string::npos) << message;
  } else {
    EXPECT_EQ(code, Errc::kDevice);
    EXPECT_NE(message.find("CUDA_ERROR_UNKNOWN"), std::string::npos) << message;
    EXPECT_EQ(on_device(*video, {3}).bytes, on_cpu(*video, {3})) << "the next request works";
  }
  EXPECT_EQ(on_cpu(*video, {3}).size(), 352U * 270 * 3);
}

TEST_F(CudaFaults, FortyDamagedFilesGiveAnErrorOrPicturesAndNothingElse) {
  std::mt19937 random(5);
  int decoded = 0, refused = 0;
  const char* const names[] = {"h264.mp4", "hevc.mp4", "vp9.webm", "av1.mp4", "h264.ts"};
  for (int k = 0; k < 40; ++k) {
    auto bytes = std::make_shared<std::string>(contents(clip(names[k % 5])));
    ASSERT_GT(bytes->size(), 1000U);
    for (int i = 0; i <= k; ++i) {
      (*bytes)[random() % bytes->size()] ^= static_cast<char>(1 << random() % 8);
    }
    if (k % 7 == 0) bytes->resize(random() % bytes->size());
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
    release_cuda_decoders();
    expect_nothing_alive();
  }
  EXPECT_GT(decoded, 10);
  EXPECT_EQ(decoded + refused, 40);
}

}  // namespace
}  // namespace deepsport
