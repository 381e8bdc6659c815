// The ways to build an index; build.cpp chooses.
#pragma once

#include <memory>

#include "deepsport/index.hpp"

namespace deepsport {

/// One pass over the packets of any container. Falls back to decoding where packets do not tell.
FrameIndex scan_packets(const std::shared_ptr<const Source>& source, const Limits& limits,
                        Deadline deadline);

/// Decode the whole stream and keep the packets that became pictures, in the order they came out.
/// `index` brings packets and stream facts; the rest is filled in. `pts_missing`: some
/// packets had none, so times are those at which a player would show each picture.
void order_by_decoding(const std::shared_ptr<const Source>& source, const Limits& limits,
                       Deadline deadline, bool pts_missing, FrameIndex& index);

}  // namespace deepsport
