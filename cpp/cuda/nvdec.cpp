#include "cuda/nvdec.hpp"

#include <algorithm>
#include <string>
#include <utility>

extern "C" {
#include <libavcodec/avcodec.h>
}

namespace deepsport::cuda {
namespace {

constexpr unsigned kOutputSurfaces = 3;  // one being written, one being read, one to spare
constexpr unsigned kDecodeSurfacesWhenUnknown = 20;

std::optional<cudaVideoCodec> codec_of(int codec) {
  switch (codec) {
    case AV_CODEC_ID_H264: return cudaVideoCodec_H264;
    case AV_CODEC_ID_HEVC: return cudaVideoCodec_HEVC;
    case AV_CODEC_ID_VP9: return cudaVideoCodec_VP9;
    case AV_CODEC_ID_AV1: return cudaVideoCodec_AV1;
    default: return std::nullopt;
  }
}

std::optional<cudaVideoSurfaceFormat> layout_of(const CUVIDEOFORMAT& format) {
  const bool deep = format.bit_depth_luma_minus8 != 0;
  switch (format.chroma_format) {
    case cudaVideoChromaFormat_420:
      return deep ? cudaVideoSurfaceFormat_P016 : cudaVideoSurfaceFormat_NV12;
    case cudaVideoChromaFormat_444:
      return deep ? cudaVideoSurfaceFormat_YUV444_16Bit : cudaVideoSurfaceFormat_YUV444;
    default: return std::nullopt;
  }
}

std::string describe(const CUVIDEOFORMAT& format) {
  static constexpr const char* kChroma[] = {"grey", "4:2:0", "4:2:2", "4:4:4"};
  const auto chroma = static_cast<std::size_t>(format.chroma_format);
  return std::to_string(format.coded_width) + "x" + std::to_string(format.coded_height) + ", " +
         std::to_string(format.bit_depth_luma_minus8 + 8) + " bit, " +
         (chroma < 4 ? kChroma[chroma] : "unknown chroma");
}

}  // namespace

template <typename Parameter, int (Nvdec::*method)(Parameter*)>
int CUDAAPI Nvdec::callback(void* self, Parameter* parameter) noexcept {
  auto& nvdec = *static_cast<Nvdec*>(self);
  if (nvdec.failure_) return 0;
  try {
    return (nvdec.*method)(parameter);
  } catch (...) {
    nvdec.failure_ = std::current_exception();
    return 0;
  }
}

Nvdec::Nvdec(int ordinal, const FrameIndex& index, CUstream stream, Callbacks callbacks,
             CudaReport& report)
    : ordinal_(ordinal),
      index_(index),
      facts_(index.stream),
      callbacks_(std::move(callbacks)),
      report_(report),
      shows_in_decoding_order_(facts_.codec_id == AV_CODEC_ID_VP9 ||
                               facts_.codec_id == AV_CODEC_ID_AV1),
      ring_(stream, kOutputSurfaces) {
  const auto codec = codec_of(facts_.codec_id);
  if (!codec) {
    throw NotForNvdec("NVDEC is not used for " + facts_.codec +
                      ", only for h264, hevc, vp9 and av1");
  }
  CUVIDPARSERPARAMS parameters{};
  parameters.CodecType = *codec;
  parameters.ulMaxNumDecodeSurfaces = 1;  // the sequence callback says the true number
  parameters.ulMaxDisplayDelay = 0;
  parameters.pUserData = this;
  parameters.pfnSequenceCallback = callback<CUVIDEOFORMAT, &Nvdec::on_sequence>;
  parameters.pfnDecodePicture = callback<CUVIDPICPARAMS, &Nvdec::on_decode>;
  parameters.pfnDisplayPicture = callback<CUVIDPARSERDISPINFO, &Nvdec::on_display>;
  must(device::nvdec().parser_create(&parser_, &parameters), "cuvidCreateVideoParser");
}

Nvdec::~Nvdec() {
  const device::NvdecFunctions* nvdec = device::nvdec_if_usable();
  if (nvdec == nullptr) return;
  try {
    ring_.drain();
  } catch (const Error&) {
    failed_ = true;
  }
  nvdec->parser_destroy(parser_);
  release_decoder();
}

void Nvdec::release_decoder() noexcept {
  if (decoder_ == nullptr) return;
  if (failed_ || failure_ || ring_.is_broken()) {
    destroy_decoder(decoder_);
  } else {
    keep_decoder(key_, decoder_);
  }
  decoder_ = nullptr;
}

void Nvdec::check_caps(const CUVIDEOFORMAT& format) const {
  CUVIDDECODECAPS caps{};
  caps.eCodecType = format.codec;
  caps.eChromaFormat = format.chroma_format;
  caps.nBitDepthMinus8 = format.bit_depth_luma_minus8;
  must(device::nvdec().caps(&caps), "cuvidGetDecoderCaps");
  const std::string what = facts_.codec + " of " + describe(format);
  const auto layout = layout_of(format);
  if (caps.bIsSupported == 0 || !layout || (caps.nOutputFormatMask >> *layout & 1) == 0 ||
      format.bit_depth_chroma_minus8 != format.bit_depth_luma_minus8) {
    throw NotForNvdec("NVDEC of cuda:" + std::to_string(ordinal_) + " does not decode " + what);
  }
  const unsigned blocks = (format.coded_width + 15) / 16 * ((format.coded_height + 15) / 16);
  if (format.coded_width < caps.nMinWidth || format.coded_height < caps.nMinHeight ||
      format.coded_width > caps.nMaxWidth || format.coded_height > caps.nMaxHeight ||
      blocks > caps.nMaxMBCount) {
    throw NotForNvdec("NVDEC of cuda:" + std::to_string(ordinal_) + " does not decode " + what +
                      ", only " + std::to_string(caps.nMinWidth) + "x" +
                      std::to_string(caps.nMinHeight) + " to " + std::to_string(caps.nMaxWidth) +
                      "x" + std::to_string(caps.nMaxHeight));
  }
}

int Nvdec::on_sequence(CUVIDEOFORMAT* format) {
  note("sequence " + describe(*format));
  check_caps(*format);
  DecoderKey key;
  key.ordinal = ordinal_;
  key.codec = format->codec;
  key.chroma = format->chroma_format;
  key.surface = *layout_of(*format);
  // Odd sizes (VP9, AV1) made even throughout: an even target of an odd area would be scaled.
  key.width = (format->coded_width + 1) & ~1u;
  key.height = (format->coded_height + 1) & ~1u;
  key.depth = format->bit_depth_luma_minus8 + 8u;
  key.decode_surfaces = format->min_num_decode_surfaces != 0 ? format->min_num_decode_surfaces
                                                             : kDecodeSurfacesWhenUnknown;
  key.output_surfaces = kOutputSurfaces;
  if (decoder_ != nullptr && !(key == key_)) {  // the stream changes its size on the way
    // VP9 and AV1 may do so while still predicting from pictures that are in the old decoder.
    if (shows_in_decoding_order_ && !index_.packets[current_].is(Packet::kKey)) {
      throw NotForNvdec("the " + facts_.codec + " stream changes to " + describe(*format) +
                        " between key pictures, which needs pictures of both sizes");
    }
    ring_.drain();
    ask_all();
    unasked_.clear();
    release_decoder();
  }
  format_ = *format;
  if (decoder_ == nullptr) {
    decoder_ = take_decoder(key);
    if (decoder_ != nullptr) {
      ++report_.decoders_reused;
    } else {
      decoder_ = make_decoder(key);
      ++report_.decoders_made;
    }
    key_ = key;
    packet_in_.assign(key.decode_surfaces, std::nullopt);
    unasked_.clear();
  }
  return static_cast<int>(key.decode_surfaces);
}

int Nvdec::on_decode(CUVIDPICPARAMS* picture) {
  note("decode " + std::to_string(picture->CurrPicIdx));
  if (decoder_ == nullptr) {
    throw Error(Errc::kCorrupt,
                "decoding " + facts_.codec + ": a picture comes before the headers it needs");
  }
  const auto surface = static_cast<std::size_t>(picture->CurrPicIdx);
  ask_status(picture->CurrPicIdx, true);  // of the picture that was in it
  // The second field of a frame goes into the surface of the first, maybe from a packet of its own.
  if (surface < packet_in_.size() && picture->second_field == 0) packet_in_[surface] = current_;
  ++decoded_;
  must(device::nvdec().decode(decoder_, picture), "cuvidDecodePicture");
  unasked_.push_back(picture->CurrPicIdx);
  return 1;
}

// The engine's word on a picture, once it has one. Pictures nobody asked for are asked about as
// well: others are predicted from them.
void Nvdec::ask_status(int surface, bool is_last_chance) {
  const auto asked = std::find(unasked_.begin(), unasked_.end(), surface);
  if (asked == unasked_.end()) return;
  CUVIDGETDECODESTATUS status{};
  const bool answers = device::nvdec().decode_status(decoder_, surface, &status) == CUDA_SUCCESS;
  if (answers && !is_last_chance && status.decodeStatus == cuvidDecodeStatus_InProgress) return;
  unasked_.erase(asked);
  const auto& packet = packet_in_[static_cast<std::size_t>(surface)];
  if (answers && packet &&
      (status.decodeStatus == cuvidDecodeStatus_Error ||
       status.decodeStatus == cuvidDecodeStatus_Error_Concealed)) {
    callbacks_.damaged(*packet);
  }
}

void Nvdec::ask_all() {
  const std::vector<int> surfaces = unasked_;
  for (const int surface : surfaces) ask_status(surface, false);
}

// See Note [Which picture is it].
std::optional<std::uint32_t> Nvdec::packet_of(const CUVIDPARSERDISPINFO& shown) {
  ++shown_;
  if (shows_in_decoding_order_) {
    if (to_show_.empty()) return std::nullopt;
    const std::uint32_t packet = to_show_.front();
    to_show_.pop_front();
    return packet;
  }
  if (!parser_is_late_) {
    const auto surface = static_cast<std::size_t>(shown.picture_index);
    return surface < packet_in_.size() ? packet_in_[surface] : std::nullopt;
  }
  if (shown.timestamp < 0 || shown.timestamp >= index_.frame_count()) return std::nullopt;
  return index_.display_order[static_cast<std::size_t>(shown.timestamp)];
}

int Nvdec::on_display(CUVIDPARSERDISPINFO* shown) {
  if (shown == nullptr) return 1;  // end of stream
  note("display " + std::to_string(shown->picture_index) + " " + std::to_string(shown->timestamp));
  const auto packet = packet_of(*shown);
  if (!packet || !callbacks_.is_wanted(*packet)) return 1;
  CUVIDPROCPARAMS parameters{};
  parameters.progressive_frame = shown->progressive_frame;
  parameters.top_field_first = shown->top_field_first;
  parameters.second_field = shown->repeat_first_field + 1;
  parameters.unpaired_field = shown->repeat_first_field < 0;
  DevicePicture picture;
  picture.surface = ring_.map(decoder_, shown->picture_index, parameters);
  picture.format = &format_;
  picture.layout = key_.surface;
  picture.rows = (key_.height + 1) & ~1u;
  ++report_.pictures_mapped;
  ask_all();  // it is decoded, and so is all that it refers to
  callbacks_.deliver(*packet, picture);
  ring_.reader_is_queued();
  return 1;
}

void Nvdec::parse(CUVIDSOURCEDATAPACKET packet) {
  const CUresult result = device::nvdec().parse(parser_, &packet);
  if (failure_) {
    failed_ = true;
    std::rethrow_exception(std::exchange(failure_, nullptr));
  }
  failed_ = failed_ || result != CUDA_SUCCESS;
  must(result, "cuvidParseVideoData");
}

void Nvdec::feed(const std::vector<std::uint8_t>& bytes, std::uint32_t number) {
  if (bytes.empty()) return;
  current_ = number;
  const std::int64_t frame = index_.frame_of_packet[number];
  CUVIDSOURCEDATAPACKET packet{};
  packet.payload = bytes.data();
  packet.payload_size = static_cast<unsigned long>(bytes.size());
  if (frame >= 0) {
    ++fed_;
    if (shows_in_decoding_order_) to_show_.push_back(number);
    packet.timestamp = frame;
    packet.flags = CUVID_PKT_TIMESTAMP;
  }
  // "The packet contains exactly one frame or one field": not so for VP9 and AV1, whose packets may
  // hold hidden pictures as well, and whose parsers need no sign of where a packet ends.
  if (!shows_in_decoding_order_) packet.flags |= CUVID_PKT_ENDOFPICTURE;
  const bool starts = decoded_ == 0 && fed_ == 1;
  const std::int64_t before = decoded_;
  note("packet " + std::to_string(number));
  parse(packet);
  if (starts && decoded_ == 0) parser_is_late_ = true;
  if (frame >= 0 && decoded_ == before && !shows_in_decoding_order_ && !parser_is_late_) {
    callbacks_.damaged(number);  // the parser found no picture in it
  }
}

bool Nvdec::finish() {
  CUVIDSOURCEDATAPACKET end{};
  note("end");
  end.flags = CUVID_PKT_ENDOFSTREAM;  // resets the parser; CUVID_PKT_DISCONTINUITY does not
  parse(end);
  ask_all();
  unasked_.clear();
  const bool complete = shown_ == fed_ || !(shows_in_decoding_order_ || parser_is_late_);
  to_show_.clear();
  packet_in_.assign(packet_in_.size(), std::nullopt);
  parser_is_late_ = false;
  decoded_ = shown_ = fed_ = 0;
  return complete;
}

}  // namespace deepsport::cuda
