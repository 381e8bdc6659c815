// Group advantages and their spreading over tokens, for rewards that are on a device already: the
// same operations in the same order as reward/advantages.cpp, so that the numbers are the same. The
// point is that no step waits for the host; nothing is claimed of speed.
#pragma once

#include <cmath>

#include "cuda/pixel.hpp"

namespace deepsport::advantage {

/// As reward::Scheme.
enum class Scheme : std::int32_t { kGrpo = 0, kMeanOnly = 1, kLeaveOneOut = 2 };

/// Rewards of `groups` groups of `group_size` neighbours. A masked member gets 0 and is left out of
/// its group's statistics; so does a group of one, or one whose rewards are equal.
struct Parameters {
  const float* rewards;
  const std::uint8_t* masked;  ///< one byte a member, or null
  float* out;
  double epsilon;
  std::int32_t group_size, groups;
  Scheme scheme;
  std::int32_t unused;
};

/// A row's advantage to each of its tokens that counts, 0 to the others.
struct SpreadParameters {
  const float* advantages;  ///< (rows)
  const void* mask;         ///< (rows, tokens), elements of mask_bytes; nonzero counts
  float* out;               ///< (rows, tokens)
  std::int32_t rows, tokens, mask_bytes, unused;
};

/// All members of one group, by one thread: groups are small, and the order of the sums is fixed.
DEEPSPORT_HD void make_group(const Parameters& p, std::int32_t group) {
  const std::int64_t start = static_cast<std::int64_t>(group) * p.group_size;
  const float* rewards = p.rewards + start;
  const std::uint8_t* masked = p.masked == nullptr ? nullptr : p.masked + start;
  double total = 0, squares = 0, first = 0;
  std::int32_t members = 0;
  bool varies = false;
  for (std::int32_t i = 0; i < p.group_size; ++i) {
    if (masked != nullptr && masked[i] != 0) continue;
    const double reward = rewards[i];
    if (members++ == 0) first = reward;
    total += reward;
    varies = varies || reward != first;
  }
  const double mean = members == 0 ? 0 : total / members;
  for (std::int32_t i = 0; i < p.group_size; ++i) {
    if (!varies || (masked != nullptr && masked[i] != 0)) continue;
    const double distance = rewards[i] - mean;
    squares += distance * distance;
  }
  for (std::int32_t i = 0; i < p.group_size; ++i) {
    double advantage = 0;
    if (varies && (masked == nullptr || masked[i] == 0)) {
      const double distance = rewards[i] - mean, count = members;
      switch (p.scheme) {
        case Scheme::kGrpo: advantage = distance / (sqrt(squares / (count - 1)) + p.epsilon); break;
        case Scheme::kMeanOnly: advantage = distance; break;
        case Scheme::kLeaveOneOut: advantage = distance * (count / (count - 1)); break;
      }
    }
    p.out[start + i] = static_cast<float>(advantage);
  }
}

DEEPSPORT_HD void spread_token(const SpreadParameters& p, std::int32_t row, std::int32_t token) {
  const std::int64_t place = static_cast<std::int64_t>(row) * p.tokens + token;
  const bool counts = p.mask_bytes == 1   ? static_cast<const std::uint8_t*>(p.mask)[place] != 0
                      : p.mask_bytes == 4 ? static_cast<const std::int32_t*>(p.mask)[place] != 0
                                          : static_cast<const std::int64_t*>(p.mask)[place] != 0;
  p.out[place] = counts ? p.advantages[row] : 0.0F;
}

}  // namespace deepsport::advantage
