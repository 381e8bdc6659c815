// Rewards on a device, on the fake driver: the numbers of the CPU core, and no waiting.
#include <cmath>
#include <random>

#include "deepsport/reward.hpp"
#include "device_request.hpp"

namespace deepsport {
namespace {

class CudaReward : public tests::OnFakeDriver {
 protected:
  void SetUp() override {
    OnFakeDriver::SetUp();
    context_ = std::make_unique<device::ContextGuard>(0);
    stream_ = std::make_unique<device::Stream>();
  }
  void TearDown() override {
    for (const CUdeviceptr memory : memory_) device::cuda().release(memory, stream_->get());
    stream_.reset();
    context_.reset();
    OnFakeDriver::TearDown();
  }
  template <typename T>
  std::uint64_t up(const std::vector<T>& host) {
    CUdeviceptr memory = 0;
    device::check(device::cuda().allocate(&memory, host.size() * sizeof(T), stream_->get()), "up");
    device::check(
        device::cuda().copy_to_device(memory, host.data(), host.size() * sizeof(T), stream_->get()),
        "up");
    memory_.push_back(memory);
    device::check(device::cuda().stream_synchronise(stream_->get()), "up");
    return memory;
  }
  template <typename T>
  std::vector<T> down(std::uint64_t memory, std::size_t count) {
    std::vector<T> host(count);
    device::check(device::cuda().copy_to_host(host.data(), static_cast<CUdeviceptr>(memory),
                                              count * sizeof(T), stream_->get()),
                  "down");
    device::check(device::cuda().stream_synchronise(stream_->get()), "down");
    return host;
  }
  std::uint64_t stream() const {
    return reinterpret_cast<std::uintptr_t>(stream_->get());
  }
  std::unique_ptr<device::ContextGuard> context_;
  std::unique_ptr<device::Stream> stream_;
  std::vector<CUdeviceptr> memory_;
};

TEST_F(CudaReward, AdvantagesAreThoseOfTheCpuForEverySchemeAndMask) {
  constexpr std::size_t kGroups = 70, kSize = 8, kAll = kGroups * kSize;
  std::mt19937 random(3);
  std::vector<float> rewards(kAll);
  std::vector<std::uint8_t> masked(kAll);
  std::vector<double> same(kAll);
  std::vector<std::int64_t> group(kAll);
  const auto flags = std::make_unique<bool[]>(kAll);
  for (std::size_t i = 0; i < kAll; ++i) {
    rewards[i] = i / kSize == 5 ? 0.7F : static_cast<float>(random() % 7) / 4;  // group 5 is equal
    masked[i] = random() % 4 == 0 || i / kSize == 9;                            // group 9 is masked
    same[i] = rewards[i];
    group[i] = static_cast<std::int64_t>(i / kSize);
    flags[i] = masked[i] != 0;
  }
  for (const int scheme : {0, 1, 2}) {
    CudaAdvantages what;
    what.stream = stream();
    what.rewards = up(rewards);
    what.masked = up(masked);
    what.out = up(std::vector<float>(kAll, -7.0F));
    what.groups = kGroups;
    what.group_size = kSize;
    what.scheme = scheme;
    ASSERT_TRUE(queue_advantages(what));
    const auto found = down<float>(what.out, kAll);
    std::vector<double> wanted(kAll);
    reward::advantages(same.data(), group.data(), flags.get(), kAll, kGroups,
                       static_cast<reward::Scheme>(scheme), what.epsilon, wanted.data());
    for (std::size_t i = 0; i < kAll; ++i) {
      ASSERT_EQ(found[i], static_cast<float>(wanted[i])) << "scheme " << scheme << " member " << i;
    }
  }
}

TEST_F(CudaReward, SpreadGivesEachTokenThatCountsItsRowsAdvantage) {
  const std::vector<float> advantages = {1.5F, -2.0F};
  const std::vector<float> wanted = {1.5F, 0, 1.5F, 0, -2.0F, -2.0F};
  const auto run = [&](auto zero) {
    using Element = decltype(zero);
    CudaSpread what;
    what.stream = stream();
    what.advantages = up(advantages);
    what.mask = up(std::vector<Element>{1, 0, 1, 0, 1, 1});
    what.mask_bytes = sizeof(Element);
    what.out = up(std::vector<float>(6, 9.0F));
    what.rows = 2;
    what.tokens = 3;
    ASSERT_TRUE(queue_spread(what));
    EXPECT_EQ(down<float>(what.out, 6), wanted);
  };
  run(std::uint8_t{0});
  run(std::int32_t{0});
  run(std::int64_t{0});
}

TEST_F(CudaReward, QueueingWaitsForNothing) {
  CudaAdvantages what;
  what.stream = stream();
  what.rewards = up(std::vector<float>{0, 1});
  what.out = up(std::vector<float>{5, 5});
  what.groups = 1;
  what.group_size = 2;
  what.scheme = 1;
  ASSERT_TRUE(queue_advantages(what));
  // The fake's streams are lazy: had anything waited, the result would be there already.
  EXPECT_EQ(reinterpret_cast<const float*>(static_cast<std::uintptr_t>(what.out))[0],
            reinterpret_cast<const float*>(static_cast<std::uintptr_t>(what.out))[1]);
  EXPECT_EQ(down<float>(what.out, 2), (std::vector<float>{-0.5F, 0.5F}));
}

TEST_F(CudaReward, ImpossibleShapesAreRefused) {
  CudaAdvantages what;
  what.groups = 1;
  EXPECT_EQ(queue_advantages(what).code(), Errc::kInvalidArgument);
  CudaSpread spread;
  spread.mask_bytes = 2;
  EXPECT_EQ(queue_spread(spread).code(), Errc::kInvalidArgument);
}

}  // namespace
}  // namespace deepsport
