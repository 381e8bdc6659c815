// The ways to build an index; build.cpp chooses.
#pragma once

#include <memory>
#include <vector>

#include "deepsport/index.hpp"

namespace deepsport {

/// One pass over the packets of any container. Falls back to decoding where packets do not tell.
FrameIndex scan_packets(const std::shared_ptr<const Source>& source, const Limits& limits,
                        Deadline deadline);

/// Decode the whole stream and keep the packets that became pictures, in the order they came out.
/// `index` brings packets and stream facts; the rest is filled in. `lacks_pts`: which
/// packets had none, empty when all had one; such pictures get the time at which a player would
/// show them.
void order_by_decoding(const std::shared_ptr<const Source>& source, const Limits& limits,
                       Deadline deadline, const std::vector<bool>& lacks_pts, FrameIndex& index);

}  // namespace deepsport
