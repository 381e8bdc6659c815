// A build without device code beside a driver that works: what needs a kernel says so. On the fake
// driver.
#include "device_request.hpp"

namespace deepsport {
namespace {

constexpr const char* kWhy =
    ": this build has no CUDA kernels: nvcc was not found or older than 12.8 when it was built, or "
    "DEEPSPORT_CUDA was OFF; valid is the CPU, or a build with nvcc";

TEST(CudaNoKernels, DecodingAndRewardsSayWhatIsMissingAndWhatWouldBeValid) {
  EXPECT_FALSE(cuda_status().kernels);
  const auto memory = CudaMemory::allocate(0, 64).value();
  CudaAdvantages advantages;
  advantages.stream = memory->target().stream;
  advantages.rewards = memory->target().address;
  advantages.out = memory->target().address + 32;
  advantages.groups = 1;
  advantages.group_size = 8;
  CudaSpread spread;
  spread.stream = memory->target().stream;
  spread.advantages = spread.mask = spread.out = memory->target().address;
  spread.rows = spread.tokens = 2;
  spread.mask_bytes = 1;
  const auto queued = queue_advantages(advantages), spreads = queue_spread(spread);
  ASSERT_EQ(queued.code(), Errc::kNoDevice);
  ASSERT_EQ(spreads.code(), Errc::kNoDevice);
  EXPECT_EQ(queued.error().what(), std::string("kernel deepsport_advantage") + kWhy);
  EXPECT_EQ(spreads.error().what(), std::string("kernel deepsport_spread") + kWhy);
  const auto video = tests::open(tests::clip("h264.mp4"));
  const auto decoded = decode_to_cuda(*video, {0}, {}, {0, 256, 352 * 270 * 3, 0}, {});
  ASSERT_EQ(decoded.code(), Errc::kNoDevice);
  EXPECT_EQ(decoded.error().what(), std::string("kernel deepsport_picture") + kWhy);
}

}  // namespace
}  // namespace deepsport
