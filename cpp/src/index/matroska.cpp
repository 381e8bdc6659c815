#include "index/matroska.hpp"

#include <algorithm>
#include <climits>
#include <memory>
#include <numeric>
#include <utility>

#include "index/ebml.hpp"
#include "index/starts.hpp"

extern "C" {
#include <libavcodec/codec_id.h>
}

namespace deepsport {
namespace {

using ebml::Element;
using ebml::element_at;
using ebml::kUnknownSize;

enum Id : std::uint32_t {
  kHeader = 0x1A45DFA3,
  kDocType = 0x4282,
  kSegment = 0x18538067,
  kInfo = 0x1549A966,
  kTimestampScale = 0x2AD7B1,
  kTracks = 0x1654AE6B,
  kCluster = 0x1F43B675,
  kTimestamp = 0xE7,
  kSimpleBlock = 0xA3,
  kBlockGroup = 0xA0,
  kBlock = 0xA1,
  kBlockDuration = 0x9B,
  kReference = 0xFB,
  kCodecState = 0xA4,
  kEncryptedBlock = 0xAF,
};
constexpr std::uint64_t kMostHeaders = std::uint64_t{1} << 20;  // bytes of Info or Tracks
constexpr std::uint64_t kLatest = std::uint64_t{1} << 60;       // ticks
constexpr std::size_t kGlance = 256, kLongGlance = std::size_t{1} << 14;

bool is_top(std::uint32_t id) {
  return id == kCluster || id == kInfo || id == kTracks || id == 0x114D9B74 || id == 0x1C53BB6B ||
         id == 0x1254C367 || id == 0x1043A770 || id == 0x1941A469;  // seek heads, cues, tags, ...
}

class Walk {
 public:
  Walk(const Source& source, const Limits& limits, Deadline& deadline)
      : limits_(limits), ahead_(source, deadline, "reading the blocks of a Matroska file") {}

  bool run() {
    const std::uint64_t file_size = ahead_.size();
    const auto header = element_at(ahead_, 0, file_size);
    if (!header || header->id != kHeader || header->size == kUnknownSize || !is_matroska(*header)) {
      return false;
    }
    const auto segment = element_at(ahead_, header->begin + header->size, file_size);
    if (!segment || segment->id != kSegment) return false;
    const std::uint64_t end =
        segment->size == kUnknownSize ? file_size : segment->begin + segment->size;
    if (end != file_size) return false;  // something behind the segment
    std::uint64_t at = segment->begin;
    while (at < end) {
      const auto element = element_at(ahead_, at, end);
      if (!element) return false;
      if (element->id == kCluster) {
        if (!cluster(*element, end, at)) return false;
        continue;
      }
      if (element->size == kUnknownSize || element->id == kSegment) return false;
      if (element->id == kInfo && !info(*element)) return false;
      if (element->id == kTracks && !tracks(*element)) return false;
      at = element->begin + element->size;
    }
    return !index.packets.empty();
  }

  FrameIndex index;
  std::int64_t last_duration = 0;  // of the picture shown last; zero when not given
  std::uint64_t scale_ns = 1000000;

 private:
  std::optional<Bytes> content_of(const Element& element) {
    if (element.size > kMostHeaders) return std::nullopt;
    const auto size = static_cast<std::size_t>(element.size);
    const std::uint8_t* data = ahead_.at(element.begin, size);
    if (data == nullptr) return std::nullopt;
    return Bytes(data, size);
  }

  bool is_matroska(const Element& header) {
    const auto content = content_of(header);
    const auto items = content ? ebml::items_in(*content) : std::nullopt;
    if (!items) return false;
    for (const auto& item : *items) {
      if (item.id == kDocType) return item.is_text("matroska") || item.is_text("webm");
    }
    return false;
  }

  bool info(const Element& element) {
    const auto content = content_of(element);
    const auto items = content ? ebml::items_in(*content) : std::nullopt;
    if (!items || std::exchange(has_info_, true)) return false;
    for (const auto& item : *items) {
      if (item.id == kTimestampScale) scale_ns = item.number();
    }
    return scale_ns > 0 && scale_ns <= INT_MAX;
  }

  bool tracks(const Element& element) {
    const auto content = content_of(element);
    if (!content || track_) return false;
    track_ = read_matroska_tracks(*content);
    if (!track_) return false;
    index.stream = track_->facts;
    if (std::int64_t{index.stream.coded_width} * index.stream.coded_height > limits_.max_pixels) {
      return false;
    }
    reader_ = make_bitstream_reader(index.stream);
    visibility_.emplace(index.stream);
    return true;
  }

  // Walks the blocks; `at` moves to what follows the cluster.
  bool cluster(const Element& element, std::uint64_t segment_end, std::uint64_t& at) {
    if (!has_info_ || !track_) return false;
    const bool open = element.size == kUnknownSize;  // ends where something else begins
    const std::uint64_t end = open ? segment_end : element.begin + element.size;
    std::optional<std::uint64_t> time;
    for (at = element.begin; at < end;) {
      const auto child = element_at(ahead_, at, end);
      if (!child) return false;
      if (open && is_top(child->id)) return true;
      if (child->size == kUnknownSize || child->id == kEncryptedBlock) return false;
      if (child->id == kTimestamp) {
        const auto content = content_of(*child);
        if (!content || time || content->size() > 8) return false;
        time = content->number(0, content->size());
        if (*time > kLatest) return false;
      }
      if (child->id == kSimpleBlock && (!time || !block(*child, *time, std::nullopt, 0))) {
        return false;
      }
      if (child->id == kBlockGroup && (!time || !block_group(*child, *time))) return false;
      at = child->begin + child->size;
    }
    return true;
  }

  bool block_group(const Element& group, std::uint64_t time) {
    const std::uint64_t end = group.begin + group.size;
    std::optional<Element> inside;
    bool references = false;
    std::uint64_t duration = 0;
    for (std::uint64_t at = group.begin; at < end;) {
      const auto child = element_at(ahead_, at, end);
      if (!child || child->size == kUnknownSize || child->id == kCodecState) return false;
      if (child->id == kBlock) {
        if (inside) return false;
        inside = *child;
      }
      if (child->id == kReference) references = true;
      if (child->id == kBlockDuration) {
        const auto content = content_of(*child);
        if (!content || content->size() > 8) return false;
        duration = content->number(0, content->size());
        if (duration > kLatest) return false;
      }
      at = child->begin + child->size;
    }
    return !inside || block(*inside, time, !references, duration);
  }

  // `is_key` as the group says; without a group the block's own flags tell.
  bool block(const Element& element, std::uint64_t cluster_time, std::optional<bool> is_key,
             std::uint64_t duration) {
    std::size_t held = 0, length = 0;
    std::uint64_t number = 0;
    const auto size = static_cast<std::size_t>(element.size);
    const std::uint8_t* head =
        ahead_.up_to(element.begin, std::min<std::size_t>(size, kGlance), held);
    if (head == nullptr || !ebml::read_number(head, held, false, number, length)) return false;
    if (number != track_->number) return true;
    if (held < length + 3) return false;
    const auto offset = static_cast<std::int16_t>(head[length] << 8 | head[length + 1]);
    const int flags = head[length + 2];
    constexpr int kKeyFlag = 0x80, kLacing = 0x06;
    const std::int64_t time = static_cast<std::int64_t>(cluster_time) + offset;
    if (time < 0 || (flags & kLacing) != 0) return false;
    if (static_cast<std::int64_t>(index.packets.size()) >= limits_.max_packets) return false;

    Packet packet;
    packet.pts = packet.dts = time;
    packet.offset = element.begin + length + 3;
    if (size == length + 3 ||
        size - length - 3 > static_cast<std::uint64_t>(limits_.max_packet_bytes))
      return false;
    packet.size = static_cast<std::uint32_t>(size - length - 3);
    packet.flags = Packet::kDirect;
    const bool key = is_key.value_or((flags & kKeyFlag) != 0);
    const auto kind = look(packet, head + length + 3, held - length - 3, key);
    if (!kind || !kind->known) return false;
    visibility_->mark(*kind, kind->start, packet);
    packet.layer = kind->layer;
    if (!packet.is(Packet::kHidden) && time >= latest_) {
      latest_ = time;
      last_duration =
          static_cast<std::int64_t>(duration > 0 ? duration : track_->frame_ns / scale_ns);
    }
    index.packets.push_back(packet);
    return true;
  }

  // As little of a packet as tells what it is.
  std::optional<PacketKind> look(const Packet& packet, const std::uint8_t* head, std::size_t held,
                                 bool key) {
    auto kind = reader_->glance(head, held, packet.size, key);
    for (const std::size_t most : {kLongGlance, static_cast<std::size_t>(packet.size)}) {
      if (kind || held >= packet.size) break;
      held = std::min<std::size_t>(packet.size, most);
      head = ahead_.at(packet.offset, held);
      if (head == nullptr) return std::nullopt;
      kind = reader_->glance(head, held, packet.size, key);
    }
    return kind;
  }

  const Limits& limits_;
  ReadAhead ahead_;
  bool has_info_ = false;
  std::optional<MatroskaTrack> track_;
  std::unique_ptr<BitstreamReader> reader_;
  std::optional<Visibility> visibility_;
  std::int64_t latest_ = INT64_MIN;
};

// Matroska stores no decoding times. They are the times of the pictures in ascending order, as late
// as the reordering allows.
void make_decoding_times(FrameIndex& index) {
  std::vector<std::int64_t> times;
  times.reserve(index.packets.size());
  for (const Packet& packet : index.packets) times.push_back(packet.pts);
  std::sort(times.begin(), times.end());
  std::int64_t late = 0;
  for (std::size_t i = 0; i < times.size(); ++i) {
    late = std::max(late, times[i] - index.packets[i].pts);
  }
  for (std::size_t i = 0; i < times.size(); ++i) index.packets[i].dts = times[i] - late;
}

}  // namespace

std::optional<FrameIndex> read_block_headers(const Source& source, const Limits& limits,
                                             Deadline deadline) {
  Walk walk(source, limits, deadline);
  if (!walk.run()) return std::nullopt;
  FrameIndex& index = walk.index;
  index.origin = IndexOrigin::kBlockHeaders;
  constexpr std::uint64_t kNanoseconds = 1000000000;
  const std::uint64_t divisor = std::gcd(walk.scale_ns, kNanoseconds);
  index.stream.time_base_num = static_cast<int>(walk.scale_ns / divisor);
  index.stream.time_base_den = static_cast<int>(kNanoseconds / divisor);
  index.order_by_pts();
  if (index.pts.empty()) return std::nullopt;
  for (std::size_t i = 1; i < index.pts.size(); ++i) {
    if (index.pts[i] == index.pts[i - 1]) return std::nullopt;
  }
  make_decoding_times(index);
  const std::size_t count = index.pts.size();
  std::int64_t shown = walk.last_duration;
  if (shown <= 0 && count == 1) return std::nullopt;  // FFmpeg may know a nominal rate
  if (shown <= 0) shown = index.pts[count - 1] - index.pts[count - 2];
  index.end_pts = index.pts.back() + std::max<std::int64_t>(1, shown);
  // Pictures that are shown before the first start may lack what they are predicted from.
  if (!index.packets[index.display_order.front()].is(Packet::kKey)) return std::nullopt;
  if (!starts_agree(source, index)) return std::nullopt;
  return std::move(index);
}

}  // namespace deepsport
