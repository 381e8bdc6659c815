// Which pictures are spoilt by damage: those that are damaged, and those that may be predicted from
// one of them.
#pragma once

#include <cstdint>
#include <map>

#include "deepsport/index.hpp"

namespace deepsport {

/// What is known since decoding began at a start.
class Damage {
 public:
  explicit Damage(const FrameIndex& index) : index_(index) {}

  /// The picture of a packet is damaged or lost.
  void mark(std::uint32_t packet);
  /// May the picture of a packet show damage, its own or that of what it refers to?
  bool reaches(std::uint32_t packet) const;
  /// Decoding begins anew.
  void clear() {
    damaged_.clear();
  }

 private:
  const FrameIndex& index_;
  std::map<std::uint32_t, std::uint32_t> damaged_;  // next start after damage -> first damaged
};

}  // namespace deepsport
