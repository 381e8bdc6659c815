// The bytes of an index file, little-endian, every length checked before use.
#include <cstring>
#include <type_traits>

#include "index/checksum.hpp"
#include "index/file.hpp"

namespace deepsport {
namespace {

constexpr char kMagic[8] = {'D', 'S', 'P', 'T', 'I', 'D', 'X', '\n'};
constexpr std::uint32_t kVersion = 4;
constexpr std::size_t kHeader = sizeof kMagic + 4 + 8 + 8;

class Writer {
 public:
  std::vector<std::uint8_t> bytes;

  template <typename T>
  void field(const T& value) {
    if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::vector<std::uint8_t>>) {
      number(value.size(), 4);
      bytes.insert(bytes.end(), value.begin(), value.end());
    } else if constexpr (std::is_same_v<T, bool>) {
      number(value ? 1 : 0, 1);
    } else {
      number(static_cast<std::uint64_t>(value), sizeof(T));
    }
  }
  void number(std::uint64_t value, std::size_t size) {
    std::uint8_t low_first[8];
    for (std::size_t i = 0; i < 8; ++i) low_first[i] = static_cast<std::uint8_t>(value >> (8 * i));
    bytes.insert(bytes.end(), low_first, low_first + size);
  }
};

class Reader {
 public:
  Reader(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  template <typename T>
  void field(T& value) {
    if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::vector<std::uint8_t>>) {
      const auto length = static_cast<std::size_t>(number(4));
      if (length > size_ - at_) {
        ok_ = false;
        return;
      }
      value.assign(data_ + at_, data_ + at_ + length);
      at_ += length;
    } else if constexpr (std::is_same_v<T, bool>) {
      value = number(1) != 0;
    } else {
      value = static_cast<T>(number(sizeof(T)));
    }
  }
  std::uint64_t number(std::size_t size) {
    if (size > size_ - at_) {
      ok_ = false;
      return 0;
    }
    const std::uint64_t value = little_endian(data_ + at_, size);
    at_ += size;
    return value;
  }
  /// A count of rows of at least `width` bytes that are still there.
  std::size_t count(std::size_t width) {
    const std::uint64_t rows = number(8);
    if (rows > (size_ - at_) / width) {
      ok_ = false;
      return 0;
    }
    return static_cast<std::size_t>(rows);
  }
  bool finished() const noexcept {
    return ok_ && at_ == size_;
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_, at_ = 0;
  bool ok_ = true;
};

// One list of fields for both directions, in the order of the file.
template <typename Stream, typename Facts>
void stream_fields(Stream& io, Facts& f) {
  io.field(f.container);
  io.field(f.codec);
  io.field(f.codec_id);
  io.field(f.codec_tag);
  io.field(f.extradata);
  io.field(f.coded_width);
  io.field(f.coded_height);
  io.field(f.pixel_format);
  io.field(f.profile);
  io.field(f.level);
  io.field(f.bits_per_coded_sample);
  io.field(f.color_range);
  io.field(f.color_primaries);
  io.field(f.color_transfer);
  io.field(f.color_space);
  io.field(f.chroma_location);
  io.field(f.field_order);
  io.field(f.video_delay);
  io.field(f.sample_aspect_num);
  io.field(f.sample_aspect_den);
  io.field(f.time_base_num);
  io.field(f.time_base_den);
  io.field(f.orientation.transpose);
  io.field(f.orientation.flip_horizontal);
  io.field(f.orientation.flip_vertical);
  io.field(f.orientation.rotation_degrees);
}

template <typename Stream, typename Entry>
void packet_fields(Stream& io, Entry& p) {
  io.field(p.pts);
  io.field(p.dts);
  io.field(p.offset);
  io.field(p.size);
  io.field(p.flags);
  io.field(p.checksum);
  io.field(p.layer);
}
constexpr std::size_t kPacketBytes = 40, kFrameBytes = 12;

}  // namespace

std::vector<std::uint8_t> to_bytes(const FrameIndex& index, const std::string& key,
                                   std::int64_t modified_ns) {
  Writer body;
  body.bytes.reserve(kPacketBytes * index.packets.size() + kFrameBytes * index.pts.size() +
                     index.stream.extradata.size() + 512);
  body.field(key);
  body.field(modified_ns);
  body.field(static_cast<std::int32_t>(index.origin));
  body.field(index.truncated);
  body.field(index.end_pts);
  body.field(index.transport_packet_bytes);
  stream_fields(body, index.stream);
  body.number(index.packets.size(), 8);
  for (const Packet& packet : index.packets) packet_fields(body, packet);
  body.number(index.pts.size(), 8);
  for (std::size_t i = 0; i < index.pts.size(); ++i) {
    body.field(index.display_order[i]);
    body.field(index.pts[i]);
  }
  body.number(index.header_changes.size(), 8);
  for (const auto& change : index.header_changes) {
    body.field(change.packet);
    body.field(change.extradata);
  }
  Writer file;
  file.bytes.assign(kMagic, kMagic + sizeof kMagic);
  file.number(kVersion, 4);
  file.number(body.bytes.size(), 8);
  file.number(checksum64(body.bytes.data(), body.bytes.size()), 8);
  file.bytes.insert(file.bytes.end(), body.bytes.begin(), body.bytes.end());
  return std::move(file.bytes);
}

std::optional<FrameIndex> from_bytes(const std::vector<std::uint8_t>& bytes, const std::string& key,
                                     std::int64_t modified_ns, std::string& why) {
  why = "it is damaged";
  if (bytes.size() < kHeader || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0) {
    return std::nullopt;
  }
  Reader header(bytes.data() + sizeof kMagic, kHeader - sizeof kMagic);
  if (header.number(4) != kVersion) {
    why = "it has another version";
    return std::nullopt;
  }
  const std::uint8_t* body = bytes.data() + kHeader;
  const std::size_t size = bytes.size() - kHeader;
  if (header.number(8) != size || header.number(8) != checksum64(body, size)) return std::nullopt;
  Reader reader(body, size);
  FrameIndex index;
  std::string found;
  std::int64_t modified = 0;
  std::int32_t origin = 0;
  reader.field(found);
  reader.field(modified);
  if (found != key || modified != modified_ns) {
    why = "the video has changed";
    return std::nullopt;
  }
  reader.field(origin);
  index.origin = static_cast<IndexOrigin>(origin);
  reader.field(index.truncated);
  reader.field(index.end_pts);
  reader.field(index.transport_packet_bytes);
  stream_fields(reader, index.stream);
  index.packets.resize(reader.count(kPacketBytes));
  for (Packet& packet : index.packets) packet_fields(reader, packet);
  index.pts.resize(reader.count(kFrameBytes));
  index.display_order.resize(index.pts.size());
  for (std::size_t i = 0; i < index.pts.size(); ++i) {
    reader.field(index.display_order[i]);
    reader.field(index.pts[i]);
  }
  index.header_changes.resize(reader.count(8));
  for (auto& change : index.header_changes) {
    reader.field(change.packet);
    reader.field(change.extradata);
  }
  if (!reader.finished() || index.pts.empty() || index.stream.time_base_num <= 0 ||
      index.stream.time_base_den <= 0 || index.stream.coded_width <= 0 ||
      index.stream.coded_height <= 0 || !index.finish()) {
    return std::nullopt;
  }
  why.clear();
  return index;
}

}  // namespace deepsport
