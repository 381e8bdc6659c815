// Advantages within groups: two passes in the order of the rows, so that the sums are reproducible.
#include <cmath>

#include "deepsport/reward.hpp"

namespace deepsport::reward {

void advantages(const double* rewards, const std::int64_t* group, const bool* masked,
                std::size_t count, std::size_t group_count, Scheme scheme, double epsilon,
                double* out) {
  struct Sums {
    double total = 0, squares = 0, first = 0;
    std::size_t members = 0;
    bool varies = false;
  };
  std::vector<Sums> groups(group_count);
  const auto of = [&](std::size_t i) -> Sums& {
    return groups[static_cast<std::size_t>(group[i])];
  };
  for (std::size_t i = 0; i < count; ++i) {
    if (masked[i]) continue;
    Sums& sums = of(i);
    if (sums.members++ == 0) sums.first = rewards[i];
    sums.total += rewards[i];
    sums.varies = sums.varies || rewards[i] != sums.first;
  }
  for (std::size_t i = 0; i < count; ++i) {
    Sums& sums = of(i);
    if (masked[i] || !sums.varies) continue;
    const double distance = rewards[i] - sums.total / static_cast<double>(sums.members);
    sums.squares += distance * distance;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Sums& sums = of(i);
    out[i] = 0;
    if (masked[i] || !sums.varies) continue;
    const auto members = static_cast<double>(sums.members);
    const double distance = rewards[i] - sums.total / members;
    switch (scheme) {
      case Scheme::kGrpo:
        out[i] = distance / (std::sqrt(sums.squares / (members - 1)) + epsilon);
        break;
      case Scheme::kMeanOnly: out[i] = distance; break;
      case Scheme::kLeaveOneOut: out[i] = distance * (members / (members - 1)); break;
    }
  }
}

}  // namespace deepsport::reward
