// Longest common subsequence and edit distance, 64 cells of the table at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace deepsport::reward {

using Symbols = std::vector<std::uint32_t>;

/// Compares sequences of small numbers. Holds its tables; one object per thread.
class SequenceComparer {
 public:
  /// Length of the longest common subsequence (Hyyrö 2004, "Bit-parallel LCS-length computation
  /// revisited"). Symbols are below `symbol_count`.
  std::size_t common(const Symbols& one, const Symbols& other, std::size_t symbol_count);

  /// Levenshtein distance (Myers 1999, in the blocks of Hyyrö 2003).
  std::size_t distance(const Symbols& one, const Symbols& other, std::size_t symbol_count);

 private:
  void load_pattern(const Symbols& pattern, std::size_t symbol_count);

  std::size_t blocks_ = 0;
  std::vector<std::uint64_t> matches_;  // [symbol][block]: where the pattern has the symbol
  std::vector<std::uint64_t> plus_, minus_;
};

}  // namespace deepsport::reward
