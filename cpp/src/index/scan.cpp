// One pass over the packets, without decoding where the bitstream says what becomes a picture.
#include "index/scan.hpp"

extern "C" {}

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "ffmpeg/demuxer.hpp"
#include "index/bitstream.hpp"
#include "index/checksum.hpp"
#include "index/layers.hpp"
#include "index/starts.hpp"
#include "video/limits.hpp"

namespace deepsport {
namespace {

using ffmpeg::Demuxer;

// A payload begins at most this far behind the position a demuxer reports (block and chunk
// headers).
constexpr std::size_t kHeaderBytes = 64;

// Finds where, if anywhere, the bytes of a packet lie unchanged in the file.
class Locator {
 public:
  explicit Locator(const Source& source) : source_(source) {}

  bool locate(const AVPacket& packet, std::uint64_t& offset) {
    if (packet.pos < 0) return false;
    const auto size = static_cast<std::size_t>(packet.size);
    const auto begin = static_cast<std::uint64_t>(packet.pos);
    window_.resize(size + kHeaderBytes);
    const std::size_t got = source_.read_at(begin, window_.data(), window_.size());
    if (got < size) return false;
    const auto matches = [&](std::size_t skip) {
      return skip + size <= got && std::memcmp(window_.data() + skip, packet.data, size) == 0;
    };
    std::size_t skip = last_skip_;
    bool found = matches(skip);
    for (std::size_t i = 0; !found && i <= kHeaderBytes; ++i) {
      skip = i;
      found = matches(skip);
    }
    if (!found) return false;
    last_skip_ = skip;
    offset = begin + skip;
    return true;
  }

 private:
  const Source& source_;
  std::vector<std::uint8_t> window_;
  std::size_t last_skip_ = 0;
};

[[noreturn]] void fail_encrypted(const Source& source) {
  throw Error(Errc::kEncrypted, source.name() +
                                    ": its samples are encrypted and there is no key; valid is a "
                                    "file without protection");
}

bool is_encrypted(const Demuxer& demuxer, const AVPacket& packet) {
  return demuxer.facts().codec_tag == MKTAG('e', 'n', 'c', 'v') ||
         av_packet_get_side_data(&packet, AV_PKT_DATA_ENCRYPTION_INFO, nullptr) != nullptr;
}

// Do the timestamps name each picture, so that sorting by pts is the order a decoder shows?
bool timestamps_tell(const std::vector<Packet>& packets, bool any_missing) {
  if (any_missing) return false;
  std::unordered_set<std::int64_t> seen;
  for (const Packet& packet : packets) {
    if (!packet.is(Packet::kHidden) && !seen.insert(packet.pts).second) return false;
  }
  return true;
}

// Nominal length of a frame in ticks; zero when there is none.
std::int64_t frame_ticks(const Demuxer& demuxer) {
  const AVRational rate = demuxer.stream()->avg_frame_rate;
  if (rate.num <= 0 || rate.den <= 0) return 0;
  return av_rescale_q(1, av_inv_q(rate), demuxer.stream()->time_base);
}

// Ticks beyond which a time is nonsense rather than far away (3,000 years): Ogg, which cannot say
// that a stream begins before zero, wraps such times around.
std::int64_t nonsense_ticks(const Demuxer& demuxer) {
  constexpr double kSeconds = 1e11;
  const double ticks = kSeconds / av_q2d(demuxer.stream()->time_base);
  return ticks < 9e18 ? static_cast<std::int64_t>(ticks) : INT64_MAX;
}

// Packets before the first that has a time lie a frame apart before it.
void count_back(std::vector<Packet>& packets, std::size_t leading, std::int64_t ticks) {
  if (leading == packets.size()) return;  // no time anywhere
  for (std::size_t i = leading; i-- > 0;) {
    packets[i].dts = packets[i].pts =
        av_sat_sub64(packets[i + 1].dts, std::max<std::int64_t>(ticks, 1));
  }
}

struct Collected {
  bool certain = true;             // every packet was understood
  std::vector<bool> lacks_pts;     // by packet; empty when every one has a pts
  std::int64_t last_duration = 0;  // of the picture shown last
};

Collected collect(Demuxer& demuxer, const Source& source, const Limits& limits, FrameIndex& index) {
  Collected result;
  const auto bitstream = make_bitstream_reader(index.stream);
  const auto packet = ffmpeg::make_packet();
  Locator locator(source);
  std::int64_t latest_pts = INT64_MIN;
  std::int64_t follows = 0;  // time of a packet that has none
  std::size_t timeless = 0;  // packets before the first that has a time
  const std::int64_t nonsense = nonsense_ticks(demuxer);
  const auto says = [&](std::int64_t time) {
    return time != AV_NOPTS_VALUE && time > -nonsense && time < nonsense;
  };
  Visibility visibility(index.stream);
  while (demuxer.next(packet.get())) {
    if (is_encrypted(demuxer, *packet)) fail_encrypted(source);
    check_packet_count(source.name(), index.packets.size() + 1, limits);
    check_packet_size(source.name(), packet->size, limits);
    Packet entry;
    entry.size = static_cast<std::uint32_t>(packet->size);
    const bool has_pts = says(packet->pts), has_dts = says(packet->dts);
    if (!has_pts) {
      result.lacks_pts.resize(index.packets.size() + 1);
      result.lacks_pts.back() = true;
    }
    if (!has_pts && !has_dts && timeless == index.packets.size()) ++timeless;
    entry.dts = has_dts ? packet->dts : has_pts ? packet->pts : follows;
    entry.pts = has_pts ? packet->pts : entry.dts;
    follows =
        av_sat_add64(entry.dts, packet->duration > 0 ? packet->duration : frame_ticks(demuxer));
    if (packet->pos >= 0) entry.offset = static_cast<std::uint64_t>(packet->pos);

    const bool container_key = (packet->flags & AV_PKT_FLAG_KEY) != 0;
    const PacketKind kind = bitstream->look(packet->data, entry.size, container_key);
    if (!kind.known) result.certain = false;
    visibility.mark(kind, kind.known ? kind.start : container_key, entry);
    if (kind.droppable) entry.flags |= Packet::kDroppable;
    if ((packet->flags & AV_PKT_FLAG_DISCARD) != 0) entry.flags |= Packet::kHidden;
    if ((packet->flags & AV_PKT_FLAG_CORRUPT) != 0) entry.flags |= Packet::kDamaged;
    entry.layer = kind.layer;
    std::uint64_t offset = 0;
    if (locator.locate(*packet, offset)) {
      entry.offset = offset;
      entry.flags |= Packet::kDirect;
    } else {
      entry.checksum = static_cast<std::uint32_t>(checksum64(packet->data, entry.size));
    }
    std::size_t extra_size = 0;
    const std::uint8_t* extra =
        av_packet_get_side_data(packet.get(), AV_PKT_DATA_NEW_EXTRADATA, &extra_size);
    if (extra != nullptr && extra_size > 0 && !index.packets.empty()) {
      index.header_changes.push_back({static_cast<std::uint32_t>(index.packets.size()),
                                      std::vector<std::uint8_t>(extra, extra + extra_size)});
    }
    if (!entry.is(Packet::kHidden) && entry.pts >= latest_pts) {
      latest_pts = entry.pts;
      result.last_duration = packet->duration;
    }
    index.packets.push_back(entry);
  }
  if (!bitstream->one_picture_per_packet()) result.certain = false;
  if (!result.lacks_pts.empty()) result.lacks_pts.resize(index.packets.size());
  count_back(index.packets, timeless, frame_ticks(demuxer));
  return result;
}

}  // namespace

FrameIndex scan_packets(const std::shared_ptr<const Source>& source, const Limits& limits,
                        Deadline deadline) {
  FrameIndex index;
  Collected collected;
  std::int64_t nominal = 0;
  {
    Demuxer demuxer(source, limits, deadline);
    index.stream = demuxer.facts();
    collected = collect(demuxer, *source, limits, index);
    nominal = frame_ticks(demuxer);
    const int promised = avformat_index_get_entries_count(demuxer.stream());
    index.truncated = index.stream.container.find("mp4") != std::string::npos &&
                      promised > static_cast<int>(index.packets.size());
  }
  for (const Packet& packet : index.packets) {
    if (packet.is(Packet::kDamaged)) index.truncated = true;
  }
  keep_lower_layers(index.packets);
  if (collected.certain && timestamps_tell(index.packets, !collected.lacks_pts.empty())) {
    index.order_by_pts();
  } else {
    order_by_decoding(source, limits, std::move(deadline), collected.lacks_pts, index);
  }
  if (!index.pts.empty()) {
    std::int64_t last = collected.last_duration;
    const std::size_t count = index.pts.size();
    if (last <= 0 && count > 1) last = index.pts[count - 1] - index.pts[count - 2];
    if (last <= 0) last = nominal;
    index.end_pts = index.pts.back() + std::max<std::int64_t>(last, 1);
  }
  return index;
}

}  // namespace deepsport
