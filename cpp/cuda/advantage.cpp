// Queues the reward kernels. Nothing here waits for the device.
#include "cuda/advantage.hpp"

#include <string>

#include "deepsport/cuda.hpp"
#include "device/context.hpp"
#include "device/kernels.hpp"

namespace deepsport {
namespace {

constexpr std::int64_t kMost = 1 << 30;

template <typename T>
T* pointer(std::uint64_t address) {
  return reinterpret_cast<T*>(static_cast<std::uintptr_t>(address));
}

unsigned blocks(std::int64_t items, unsigned threads) {
  return static_cast<unsigned>((items + threads - 1) / threads);
}

}  // namespace

Result<bool> queue_advantages(const CudaAdvantages& what) {
  if (what.groups < 0 || what.group_size < 1 || what.groups * what.group_size > kMost ||
      what.scheme < 0 || what.scheme > 2 || !(what.epsilon >= 0)) {
    return Error(Errc::kInvalidArgument,
                 "advantages of " + std::to_string(what.groups) + " groups of " +
                     std::to_string(what.group_size) +
                     "; valid are groups of one or more, 2^30 members at most, and epsilon >= 0");
  }
  if (what.groups == 0) return true;
  try {
    const device::ContextGuard context(what.ordinal);
    advantage::Parameters parameters{};
    parameters.rewards = pointer<const float>(what.rewards);
    parameters.masked = pointer<const std::uint8_t>(what.masked);
    parameters.out = pointer<float>(what.out);
    parameters.epsilon = what.epsilon;
    parameters.group_size = static_cast<std::int32_t>(what.group_size);
    parameters.groups = static_cast<std::int32_t>(what.groups);
    parameters.scheme = static_cast<advantage::Scheme>(what.scheme);
    constexpr unsigned kThreads = 64;
    device::launch(what.ordinal, "deepsport_advantage",
                   {blocks(what.groups, kThreads), 1, kThreads, 1},
                   pointer<CUstream_st>(what.stream), parameters);
    return true;
  } catch (const Error& error) {
    return error;
  }
}

Result<bool> queue_spread(const CudaSpread& what) {
  constexpr std::int64_t kMostRows = 65535;  // of a grid
  if (what.rows < 0 || what.rows > kMostRows || what.tokens < 0 || what.tokens > kMost ||
      (what.mask_bytes != 1 && what.mask_bytes != 4 && what.mask_bytes != 8)) {
    return Error(Errc::kInvalidArgument,
                 "spreading over " + std::to_string(what.rows) + " rows of " +
                     std::to_string(what.tokens) + " tokens with mask elements of " +
                     std::to_string(what.mask_bytes) +
                     " bytes; valid are up to 65535 rows and elements of 1, 4 or 8 bytes");
  }
  if (what.rows == 0 || what.tokens == 0) return true;
  try {
    const device::ContextGuard context(what.ordinal);
    advantage::SpreadParameters parameters{};
    parameters.advantages = pointer<const float>(what.advantages);
    parameters.mask = pointer<const void>(what.mask);
    parameters.out = pointer<float>(what.out);
    parameters.rows = static_cast<std::int32_t>(what.rows);
    parameters.tokens = static_cast<std::int32_t>(what.tokens);
    parameters.mask_bytes = what.mask_bytes;
    constexpr unsigned kThreads = 256;
    device::launch(what.ordinal, "deepsport_spread",
                   {blocks(what.tokens, kThreads), static_cast<unsigned>(what.rows), kThreads, 1},
                   pointer<CUstream_st>(what.stream), parameters);
    return true;
  } catch (const Error& error) {
    return error;
  }
}

}  // namespace deepsport
