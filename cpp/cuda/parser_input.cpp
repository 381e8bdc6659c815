#include "cuda/parser_input.hpp"

#include <algorithm>
#include <cstring>
#include <string>

namespace deepsport::cuda {
namespace {

const char* filter_of(int codec) {
  switch (codec) {
    case AV_CODEC_ID_H264: return "h264_mp4toannexb";
    case AV_CODEC_ID_HEVC: return "hevc_mp4toannexb";
    default: return nullptr;  // VP9 carries its headers in every packet, AV1 in the key packets
  }
}

constexpr int kSequenceHeader = 1, kTemporalDelimiter = 2;  // types of OBUs, AV1 6.2.2

struct Obu {
  int type = 0;
  std::size_t end = 0;  // behind it, in the packet
};

// The OBU at `at`, AV1 5.3; one whose length is wrong reaches to the end.
Obu obu_at(const std::uint8_t* data, std::size_t size, std::size_t at) {
  Obu obu{data[at] >> 3 & 15, size};
  const bool has_extension = (data[at] & 4) != 0, has_size = (data[at] & 2) != 0;
  at += has_extension ? 2 : 1;
  if (!has_size) return obu;
  std::uint64_t length = 0;
  for (int i = 0; i < 8 && at < size; ++i) {
    const std::uint8_t byte = data[at++];
    length |= std::uint64_t{byte & 127u} << (7 * i);
    if ((byte & 128) == 0) break;
  }
  if (at <= size && length <= size - at) obu.end = at + static_cast<std::size_t>(length);
  return obu;
}

// The sequence header an mp4 or webm keeps outside of the packets, put where the parser expects it:
// in front, behind the temporal delimiter if there is one. Not when the packet has its own.
void add_av1_headers(const std::vector<std::uint8_t>& extradata, std::vector<std::uint8_t>& unit) {
  constexpr std::uint8_t kConfigurationRecord = 0x81;  // av1C: marker and version, four bytes
  std::size_t place = 0;
  for (std::size_t at = 0; at < unit.size();) {
    const Obu obu = obu_at(unit.data(), unit.size(), at);
    if (obu.type == kSequenceHeader) return;
    if (at == 0 && obu.type == kTemporalDelimiter) place = obu.end;
    at = obu.end;
  }
  const bool boxed = !extradata.empty() && extradata[0] == kConfigurationRecord;
  const auto skip =
      static_cast<std::ptrdiff_t>(boxed ? std::min<std::size_t>(4, extradata.size()) : 0);
  unit.insert(unit.begin() + static_cast<std::ptrdiff_t>(place), extradata.begin() + skip,
              extradata.end());
}

}  // namespace

const std::vector<std::uint8_t>& ParserInput::headers_at(std::uint32_t number) const {
  const std::vector<std::uint8_t>* headers = &index_.stream.extradata;
  for (const auto& change : index_.header_changes) {
    if (change.packet <= number) headers = &change.extradata;
  }
  return *headers;
}

void ParserInput::open_filter(const std::vector<std::uint8_t>& headers) {
  AVBSFContext* made = nullptr;
  if (av_bsf_alloc(av_bsf_get_by_name(filter_of(index_.stream.codec_id)), &made) < 0) {
    throw Error(Errc::kUnsupported, "decoding " + index_.stream.codec +
                                        " on cuda: this FFmpeg lacks the filter " +
                                        filter_of(index_.stream.codec_id));
  }
  filter_.reset(made);
  made->par_in->codec_type = AVMEDIA_TYPE_VIDEO;
  made->par_in->codec_id = static_cast<AVCodecID>(index_.stream.codec_id);
  made->par_in->extradata = ffmpeg::checked(
      static_cast<std::uint8_t*>(av_mallocz(headers.size() + AV_INPUT_BUFFER_PADDING_SIZE)));
  if (!headers.empty()) std::memcpy(made->par_in->extradata, headers.data(), headers.size());
  made->par_in->extradata_size = static_cast<int>(headers.size());
  if (av_bsf_init(made) < 0) {
    throw Error(Errc::kCorrupt, "decoding " + index_.stream.codec +
                                    ": its headers cannot be read; valid are the headers of an "
                                    "undamaged file");
  }
  open_for_ = &headers;
}

const std::vector<std::uint8_t>& ParserInput::convert(std::uint32_t number, AVPacket* packet,
                                                      bool starts) {
  bytes_.clear();
  if (filter_of(index_.stream.codec_id) == nullptr) {
    bytes_.assign(packet->data, packet->data + packet->size);
    if (starts && index_.stream.codec_id == AV_CODEC_ID_AV1) {
      add_av1_headers(headers_at(number), bytes_);
    }
    return bytes_;
  }
  const std::vector<std::uint8_t>& headers = headers_at(number);
  const bool changed = open_for_ != &headers;
  if (changed) open_filter(headers);
  // After a start that is no IDR picture the filter adds nothing of its own.
  const AVCodecParameters& out = *filter_->par_out;
  if ((starts || changed) && out.extradata_size > 0) {
    bytes_.assign(out.extradata, out.extradata + out.extradata_size);
  }
  const std::size_t before = bytes_.size();
  // A packet the filter refuses is damaged; the parser is shown nothing of it.
  if (av_bsf_send_packet(filter_.get(), packet) < 0) {
    av_bsf_flush(filter_.get());
    return bytes_;
  }
  while (av_bsf_receive_packet(filter_.get(), packet) >= 0) {
    bytes_.insert(bytes_.end(), packet->data, packet->data + packet->size);
    av_packet_unref(packet);
  }
  if (bytes_.size() == before) bytes_.clear();
  return bytes_;
}

}  // namespace deepsport::cuda
