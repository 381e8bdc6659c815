#include "index/transport_stream.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

#include "index/access_unit.hpp"
#include "index/layers.hpp"
#include "index/starts.hpp"
#include "index/transport_program.hpp"

extern "C" {
#include <libavcodec/codec_id.h>
}

namespace deepsport {
namespace {

constexpr std::int64_t kSecond = 90000;  // ticks
constexpr std::int64_t kWrap = std::int64_t{1} << 33;
constexpr std::size_t kFewest = 16;  // packets; FFmpeg asks for ten to believe in the format
constexpr std::size_t kBlock = std::size_t{188} * 192 * 16;  // whole packets of either size
constexpr std::size_t kBlocksForTables = 4;

// How packets lie in the file: 192 bytes apart when each has its time of arrival in front.
struct Layout {
  std::size_t distance = 0, prefix = 0;
};

std::optional<Layout> find_layout(const Source& source) {
  std::uint8_t head[192 * kFewest];
  const std::size_t got = source.read_at(0, head, sizeof head);
  for (const Layout layout : {Layout{188, 0}, Layout{192, 4}}) {
    if (got < layout.distance * kFewest || source.size() % layout.distance != 0) continue;
    std::size_t at = layout.prefix;
    while (at < layout.distance * kFewest && head[at] == 0x47) at += layout.distance;
    if (at >= layout.distance * kFewest) return layout;
  }
  return std::nullopt;
}

// A buffer that grows without being filled first.
class Payload {
 public:
  void clear() noexcept {
    size_ = 0;
  }
  void append(const std::uint8_t* data, std::size_t count) {
    constexpr std::size_t kUsual = 184;  // a constant, so that it is copied by a few instructions
    if (count == 0) return;              // there may be no bytes yet
    if (count > capacity_ - size_) grow(count);
    std::uint8_t* into = bytes_.get() + size_;
    if (count == kUsual) {
      std::memcpy(into, data, kUsual);
    } else {
      std::memcpy(into, data, count);
    }
    size_ += count;
  }
  const std::uint8_t* data() const noexcept {
    return bytes_.get();
  }
  std::size_t size() const noexcept {
    return size_;
  }

 private:
  void grow(std::size_t count) {
    capacity_ = 2 * capacity_ + std::max<std::size_t>(count, std::size_t{1} << 16);
    std::unique_ptr<std::uint8_t[]> bytes(new std::uint8_t[capacity_]);
    if (size_ > 0) std::memcpy(bytes.get(), bytes_.get(), size_);
    bytes_ = std::move(bytes);
  }

  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t size_ = 0, capacity_ = 0;
};

class Walk {
 public:
  Walk(const Source& source, const Limits& limits, Deadline& deadline, const Layout& layout)
      : source_(source),
        limits_(limits),
        deadline_(deadline),
        layout_(layout),
        block_(new std::uint8_t[kBlock]) {}

  bool run() {
    if (!find_program()) return false;
    const TransportProgram& program = finder_.program;
    const bool hevc = program.video_type == TransportProgram::kHevc;
    units_.emplace(hevc);
    StreamFacts& stream = index.stream;
    stream.container = "mpegts";
    stream.codec = hevc ? "hevc" : "h264";
    stream.codec_id = hevc ? AV_CODEC_ID_HEVC : AV_CODEC_ID_H264;
    stream.codec_tag = static_cast<std::uint32_t>(program.video_type);
    stream.time_base_den = kSecond;
    reader_ = make_bitstream_reader(stream);
    visibility_.emplace(stream);
    const bool walked = each_packet(
        source_.size(),
        [this](const TransportPacket& packet, std::uint64_t at) { return take(packet, at); });
    return walked && end_unit() && times_are_plain() && facts_are_known();
  }

  FrameIndex index;
  const SpsFacts& sps() const noexcept {
    return units_->sps();
  }
  int last_pic_struct() const noexcept {
    return last_pic_struct_;
  }

 private:
  // Calls `visit(packet, offset)` for all packets before byte `end`; false as soon as it is.
  template <typename Visit>
  bool each_packet(std::uint64_t end, const Visit& visit) {
    for (std::uint64_t begin = 0; begin < end; begin += kBlock) {
      deadline_.poll("reading a transport stream");
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, end - begin));
      if (begin != held_at_ || count > held_) {
        held_ = source_.read_at(begin, block_.get(), count);
        held_at_ = begin;
      }
      if (held_ < count) return false;
      TransportPacket packet;
      for (std::size_t at = 0; at < count; at += layout_.distance) {
        if (!read_transport_packet(block_.get() + at + layout_.prefix, packet) ||
            !visit(packet, begin + at)) {
          return false;
        }
      }
    }
    return true;
  }

  bool find_program() {
    bool is_handled = true;
    each_packet(std::min<std::uint64_t>(source_.size(), kBlocksForTables * kBlock),
                [&](const TransportPacket& packet, std::uint64_t) {
                  is_handled = finder_.look(packet);
                  return is_handled && !finder_.found();
                });
    return is_handled && finder_.found();
  }

  bool take(const TransportPacket& packet, std::uint64_t at) {
    const TransportProgram& program = finder_.program;
    if (packet.pid == program.video_pid) return video(packet, at);
    if (!packet.has_payload) return true;
    switch (program.roles[packet.pid]) {
      case PidRole::kPrograms: return repeats_section(packet, program.programs);
      case PidRole::kStreams: return repeats_section(packet, program.streams);
      case PidRole::kOther: return !packet.starts || other(packet);
      case PidRole::kUnknown: return !packet.starts || !begins_pes(packet.payload, packet.size);
      default: return true;
    }
  }

  // FFmpeg takes the first time of any stream as the one around which times wrap.
  bool other(const TransportPacket& packet) {
    if (!begins_pes(packet.payload, packet.size)) return true;
    if (is_video_id(packet.payload[3])) return false;
    bool& seen = seen_[packet.pid];
    if (seen) return true;
    const auto header = read_pes_header(packet.payload, packet.size);
    if (!header) return true;
    seen = true;
    latest_begin_ = std::max({latest_begin_, header->pts, header->dts});
    return true;
  }

  static bool is_video_id(std::uint32_t stream_id) {
    return stream_id >= 0xE0 && stream_id <= 0xEF;  // table 2-22
  }

  bool video(const TransportPacket& packet, std::uint64_t at) {
    if (packet.in_error || packet.scrambled) return false;
    const std::uint32_t expected = (counter_ + (packet.has_payload ? 1 : 0)) & 15;
    if (counted_ && packet.counter != expected) return false;  // packets are missing
    counter_ = packet.counter;
    counted_ = true;
    if (!packet.has_payload) return true;
    const std::uint8_t* data = packet.payload;
    std::size_t size = packet.size;
    if (packet.starts) {
      if (!end_unit()) return false;
      const auto header = read_pes_header(data, size);
      if (!header || !is_video_id(header->stream_id)) return false;
      header_ = *header;
      offset_ = at;
      inside_ = true;
      data += header->size;
      size -= header->size;
    } else if (!inside_) {
      return true;  // the end of a picture that begins before the file does
    }
    if (payload_.size() + size > static_cast<std::uint64_t>(limits_.max_packet_bytes)) return false;
    payload_.append(data, size);
    return true;
  }

  // The PES that has been collected is complete: is it a picture?
  bool end_unit() {
    if (!inside_) return true;
    const std::size_t size = payload_.size();
    if (header_.promised != 0 && header_.promised != size) return false;
    const auto unit = units_->read(payload_.data(), size);
    if (!unit || (!hevc() && was_zero_ && !unit->long_start)) return false;
    was_zero_ = unit->ends_with_zero;
    if (static_cast<std::int64_t>(index.packets.size()) >= limits_.max_packets) return false;
    const bool follows = index.packets.empty() || header_.dts > index.packets.back().dts;
    if (!follows || header_.pts < header_.dts) return false;

    Packet packet;
    packet.pts = header_.pts;
    packet.dts = header_.dts;
    packet.offset = offset_;
    packet.size = static_cast<std::uint32_t>(size);
    packet.flags = Packet::kScattered;
    const PacketKind kind = reader_->look(payload_.data(), unit->head, unit->has_recovery);
    const bool is_whole = reader_->one_picture_per_packet() && !units_->sps().in_fields;
    if (!kind.known || !kind.picture || !is_whole) return false;
    visibility_->mark(kind, kind.start, packet);
    if (packet.is(Packet::kKey) && units_->headers().empty()) return false;
    if (kind.droppable) packet.flags |= Packet::kDroppable;
    packet.layer = kind.layer;
    if (!packet.is(Packet::kHidden) && packet.pts >= latest_pts_) {
      latest_pts_ = packet.pts;
      last_pic_struct_ = unit->pic_struct;
    }
    index.packets.push_back(packet);
    payload_.clear();
    return true;
  }

  bool hevc() const noexcept {
    return index.stream.codec_id == AV_CODEC_ID_HEVC;
  }

  // Do all times stay as they stand, far from where they wrap around?
  bool times_are_plain() const {
    if (index.packets.empty()) return false;
    const std::int64_t first = index.packets.front().dts;
    const std::int64_t begin = std::max(first, latest_begin_);
    return begin < kWrap - 180 * kSecond && begin - 60 * kSecond <= first;
  }

  bool facts_are_known() {
    StreamFacts& stream = index.stream;
    if (!reader_->picture_size(stream.coded_width, stream.coded_height) ||
        std::int64_t{stream.coded_width} * stream.coded_height > limits_.max_pixels) {
      return false;
    }
    stream.extradata = units_->headers();
    reader_->complete(stream);
    return true;
  }

  const Source& source_;
  const Limits& limits_;
  Deadline& deadline_;
  Layout layout_;
  std::unique_ptr<std::uint8_t[]> block_;
  std::uint64_t held_at_ = 0;
  std::size_t held_ = 0;

  ProgramFinder finder_;
  std::optional<AccessUnitReader> units_;
  std::unique_ptr<BitstreamReader> reader_;
  std::optional<Visibility> visibility_;

  std::uint32_t counter_ = 0;
  bool counted_ = false, inside_ = false, was_zero_ = false;
  PesHeader header_;
  std::uint64_t offset_ = 0;
  Payload payload_;
  std::array<bool, kTransportPids> seen_{};  // PIDs whose first time is known
  std::int64_t latest_begin_ = 0;            // the latest of those times
  std::int64_t latest_pts_ = INT64_MIN;
  int last_pic_struct_ = 0;
};

// For how long the last picture is shown, in ticks; nothing when FFmpeg might say otherwise.
std::optional<std::int64_t> last_duration(const FrameIndex& index, const SpsFacts& sps, bool hevc,
                                          int pic_struct) {
  std::int64_t least = 0, most = 0;
  for (std::size_t i = 1; i < index.pts.size(); ++i) {
    const std::int64_t step = index.pts[i] - index.pts[i - 1];
    least = i == 1 ? step : std::min(least, step);
    most = std::max(most, step);
  }
  const std::int64_t ticks = std::int64_t{sps.tick_units} * (hevc ? 1 : 2);
  if (ticks == 0 || std::int64_t{sps.time_scale} >= ticks * 1000) {  // FFmpeg does not believe it
    if (index.pts.size() < 2 || most - least > 1) return std::nullopt;
    return least;
  }
  const std::int64_t nominal = kSecond * ticks / sps.time_scale;
  if (index.pts.size() > 1 && (least > nominal + 1 || least < nominal - 1)) return std::nullopt;
  // Half frames for which it is shown, by pic_struct: H.264 table E-6; fields are not read here.
  static constexpr int kHalves[9] = {2, 0, 0, 2, 2, 3, 3, 4, 6};
  if (pic_struct < 0 || pic_struct > 8 || kHalves[pic_struct] == 0) return std::nullopt;
  return kSecond * ticks * kHalves[pic_struct] / (std::int64_t{2} * sps.time_scale);
}

}  // namespace

std::optional<FrameIndex> read_transport_stream(const Source& source, const Limits& limits,
                                                Deadline deadline) {
  const auto layout = find_layout(source);
  if (!layout) return std::nullopt;
  Walk walk(source, limits, deadline, *layout);
  if (!walk.run()) return std::nullopt;
  FrameIndex& index = walk.index;
  index.origin = IndexOrigin::kTransportStream;
  index.transport_packet_bytes = static_cast<std::uint32_t>(layout->distance);
  keep_lower_layers(index.packets);
  index.order_by_pts();
  if (index.pts.empty()) return std::nullopt;
  for (std::size_t i = 1; i < index.pts.size(); ++i) {
    if (index.pts[i] == index.pts[i - 1]) return std::nullopt;
  }
  const bool hevc = index.stream.codec_id == AV_CODEC_ID_HEVC;
  const auto shown = last_duration(index, walk.sps(), hevc, walk.last_pic_struct());
  if (!shown) return std::nullopt;
  index.end_pts = index.pts.back() + std::max<std::int64_t>(1, *shown);
  return std::move(index);
}

}  // namespace deepsport
