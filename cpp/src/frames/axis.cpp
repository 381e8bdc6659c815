#include "frames/axis.hpp"

#include <algorithm>
#include <cmath>

namespace deepsport {
namespace {

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

struct Taps {
  int first = 0;
  std::vector<double> weights;
};

Taps taps_of(int input, int output, int at) {
  const double scale = static_cast<double>(input) / output;
  const double stretch = std::max(scale, 1.0);
  const double centre = (at + 0.5) * scale, support = 2.0 * stretch;
  Taps taps;
  taps.first = std::max(0, static_cast<int>(centre - support + 0.5));
  const int last = std::min(input, static_cast<int>(centre + support + 0.5));
  double sum = 0;
  for (int x = taps.first; x < last; ++x) {
    taps.weights.push_back(bicubic((x - centre + 0.5) / stretch));
    sum += taps.weights.back();
  }
  for (double& weight : taps.weights) weight /= sum;
  return taps;
}

Taps grouped(const Taps& fine, int subsampling, int plane_samples) {
  if (subsampling == 0) return fine;
  Taps coarse;
  coarse.first = std::min(fine.first >> subsampling, plane_samples - 1);
  for (std::size_t k = 0; k < fine.weights.size(); ++k) {
    const int sample =
        std::min((fine.first + static_cast<int>(k)) >> subsampling, plane_samples - 1);
    const auto slot = static_cast<std::size_t>(sample - coarse.first);
    if (slot >= coarse.weights.size()) coarse.weights.resize(slot + 1, 0.0);
    coarse.weights[slot] += fine.weights[k];
  }
  return coarse;
}

// Round, and let the largest weight take what rounding left over.
std::vector<std::int16_t> rounded(const std::vector<double>& weights) {
  constexpr int kOne = 1 << kWeightBits;
  std::vector<std::int16_t> out;
  int sum = 0;
  std::size_t largest = 0;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    out.push_back(static_cast<std::int16_t>(std::lround(weights[k] * kOne)));
    sum += out[k];
    if (out[k] > out[largest]) largest = k;
  }
  out[largest] = static_cast<std::int16_t>(out[largest] + kOne - sum);
  return out;
}

AxisGroups grouped(const Axis& axis) {
  constexpr std::size_t kGroup = AxisGroups::kGroup;
  AxisGroups groups;
  groups.pairs = (*std::max_element(axis.count.begin(), axis.count.end()) + 1) / 2;
  const auto pairs = static_cast<std::size_t>(groups.pairs), outputs = axis.first.size();
  groups.picks.resize((outputs + kGroup - 1) / kGroup);
  groups.weights.resize(groups.picks.size() * pairs);
  for (std::size_t i = 0; i < outputs; ++i) {
    const std::size_t group = i / kGroup, lane = i % kGroup;
    if (lane == 0) groups.first.push_back(axis.first[i]);
    const int place = axis.first[i] - groups.first.back();
    if (place + axis.count[i] > AxisGroups::kWindow) return {};
    for (int k = 0; k < 2; ++k) {
      groups.picks[group].of[lane][k] = static_cast<std::int16_t>(place + k);
    }
    for (std::size_t k = 0; k < static_cast<std::size_t>(axis.count[i]); ++k) {
      groups.weights[group * pairs + k / 2].of[lane][k % 2] =
          axis.weights[i * static_cast<std::size_t>(axis.taps) + k];
    }
  }
  return groups;
}

}  // namespace

Axis make_axis(int input, int output, int subsampling, int plane_samples) {
  Axis axis;
  axis.input = plane_samples;
  axis.output = output;
  std::vector<std::vector<std::int16_t>> rows;
  std::size_t most = 1;
  for (int i = 0; i < output; ++i) {
    const Taps taps = grouped(taps_of(input, output, i), subsampling, plane_samples);
    axis.first.push_back(taps.first);
    rows.push_back(rounded(taps.weights));
    axis.count.push_back(static_cast<int>(rows.back().size()));
    most = std::max(most, rows.back().size());
  }
  axis.taps = most <= 8 ? 8 : static_cast<int>((most + 15) / 16 * 16);
  axis.weights.assign(static_cast<std::size_t>(output) * static_cast<std::size_t>(axis.taps), 0);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::copy(rows[i].begin(), rows[i].end(),
              axis.weights.begin() + static_cast<std::ptrdiff_t>(i) * axis.taps);
  }
  axis.groups = grouped(axis);
  return axis;
}

}  // namespace deepsport
