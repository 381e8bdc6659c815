// The table of frames: which packets the video stream has, which pictures they become, when each is
// shown. Built without decoding wherever the bitstream allows it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "deepsport/video.hpp"

namespace deepsport {

/// One packet of the video stream, in decoding order.
struct Packet {
  enum Flag : std::uint32_t {
    kKey = 1,         ///< decoding may start here
    kDroppable = 2,   ///< no other picture is predicted from it (read from the bitstream)
    kHidden = 4,      ///< becomes no picture of its own: not shown, or outside the edit list
    kDirect = 8,      ///< its bytes lie unchanged at `offset`
    kDamaged = 16,    ///< the container says, or its length shows, that bytes are missing
    kScattered = 32,  ///< its bytes are the payload of transport packets, the first at `offset`
  };
  std::int64_t pts = 0;  ///< in time_base
  std::int64_t dts = 0;
  std::uint64_t offset = 0;  ///< in the file; of the payload when kDirect
  std::uint32_t size = 0;
  std::uint32_t flags = 0;
  std::uint32_t checksum = 0;  ///< of the bytes; 0 with kDirect and kScattered
  std::uint32_t layer = 0;     ///< temporal layer (HEVC), for dropping

  bool is(Flag flag) const noexcept {
    return (flags & flag) != 0;
  }
};

/// How an index was made.
enum class IndexOrigin : int {
  kSampleTable = 1,      ///< read from the tables of an mp4, fragments included
  kPacketScan = 2,       ///< one pass over the packets
  kDecode = 3,           ///< one pass with decoding: the packets alone do not tell the frames
  kBlockHeaders = 4,     ///< read from the block headers of a Matroska file
  kTransportStream = 5,  ///< read from the packets of a transport stream, without a demuxer
};

/// Immutable once built. Safe to share.
class FrameIndex {
 public:
  StreamFacts stream;
  IndexOrigin origin = IndexOrigin::kPacketScan;
  bool truncated = false;       ///< the container promises more than the file holds
  bool from_cache = false;      ///< read from an index file
  std::string remark;           ///< for the log: why an index file was not used, else empty
  std::vector<Packet> packets;  ///< decoding order
  std::vector<std::uint32_t> display_order;  ///< frame index -> packet
  std::vector<std::int64_t> pts;             ///< frame index -> pts, non-decreasing
  std::int64_t end_pts = 0;                  ///< when the last frame stops being shown
  /// From one packet of a transport stream to the next, 188 or 192; zero where none is kScattered.
  std::uint32_t transport_packet_bytes = 0;

  // Derived by finish().
  std::vector<std::int64_t> frame_of_packet;  ///< packet -> frame index, -1 when none
  std::vector<std::uint32_t> key_packets;
  int reorder_depth = 0;  ///< most pictures decoded before one and shown after it

  /// New headers that take effect at a packet, for streams that change them on the way.
  struct Headers {
    std::uint32_t packet = 0;
    std::vector<std::uint8_t> extradata;
  };
  std::vector<Headers> header_changes;

  /// Has every packet been read, so that kDroppable is known?
  bool packets_were_read() const noexcept {
    return origin == IndexOrigin::kPacketScan || origin == IndexOrigin::kDecode ||
           origin == IndexOrigin::kTransportStream;
  }
  std::int64_t frame_count() const noexcept {
    return static_cast<std::int64_t>(pts.size());
  }
  double seconds(std::int64_t value) const noexcept {
    return static_cast<double>(value) * stream.time_base_num / stream.time_base_den;
  }
  /// The frame on screen at a second: the last with pts <= second. @throws Error kOutOfRange.
  std::int64_t frame_at(double second, const std::string& name) const;
  bool variable_frame_rate() const noexcept;

  /// Sort packets that become pictures by pts into display_order and pts.
  void order_by_pts();
  /// Fill the derived tables from the stored ones; false when they contradict each other.
  bool finish();
};

struct IndexOptions {
  Limits limits;
  /// Read mp4, Matroska and transport streams directly where that is exact; false: always scan,
  /// e.g. to check that.
  bool use_sample_table = true;
  /// Folder of index files; empty keeps none. Sample tables are not kept: they are as quick to
  /// read as an index file.
  std::string cache_folder;
  /// Nor what took less than this to find. For a minute of video writing an index file takes 0.25
  /// ms and reading it 0.06 ms, so that what takes twice the first is paid for by opening it again.
  double keep_after_seconds = 0.0005;
};

/// Build the index of a source. Codes: kNotVideo, kTruncated, kCorrupt, kEncrypted, kUnsupported,
/// kLimit, kTimeout, kCancelled, kIo.
Result<std::shared_ptr<const FrameIndex>> build_index(const std::shared_ptr<const Source>& source,
                                                      const IndexOptions& options,
                                                      Deadline deadline);

}  // namespace deepsport
