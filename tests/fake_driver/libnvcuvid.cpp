// The fake libnvcuvid.so.1: a parser whose callbacks come as the real one's do, and a decoder whose
// surfaces go bad as soon as the contract allows. Pictures come from libavcodec. See
// Note [Fake driver].
#include <ffnvcodec/dynlink_cuda.h>
#include <ffnvcodec/dynlink_nvcuvid.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "fake.hpp"
#include "surface.hpp"

extern "C" {
#include <libavcodec/avcodec.h>
}

namespace {

using fake::Frame;

constexpr int kInvalidValue = 1, kInvalidContext = 201, kMapFailed = 205, kInvalidHandle = 400,
              kNotSupported = 801;

struct OutputSurface {
  std::uint8_t* memory = nullptr;
  std::shared_ptr<bool> mapped;  // false once unmapped: queued readers then see rubbish
};
struct Decoder {
  fake::SurfaceShape shape;
  std::vector<Frame> pictures;
  std::vector<OutputSurface> outputs;
  int device = 0;
  int submitted = 0;
  std::vector<int> number_of;  // picture index -> how manieth picture of the decoder
};
struct Slot {
  bool used = false;
  CUvideotimestamp timestamp = 0;
  Decoder* decoder = nullptr;
};
struct Parser {
  CUVIDPARSERPARAMS parameters{};
  const AVCodec* codec = nullptr;
  AVCodecContext* context = nullptr;
  AVCodecParserContext* splitter = nullptr;
  AVCodecParserContext* order = nullptr;  // tells the order of display since a start
  int number_of_start = 0;                // in that order
  AVPacket* packet = nullptr;
  AVFrame* frame = nullptr;
  CUVIDEOFORMAT format{};
  bool has_format = false, fresh = true, skips_leading = false;
  std::vector<Slot> slots;
  std::vector<int> freed;               // most recently freed last
  std::map<std::int64_t, int> slot_of;  // number of a packet -> its slot
  std::int64_t next = 1;
  unsigned next_slot = 0;
  CUvideotimestamp before = 0;
  std::multiset<CUvideotimestamp> times;  // of the packets that have not been shown yet
  bool has_headers = false;               // sequence headers since the start or the last flush
  std::vector<std::uint8_t> headers;      // sent without a time: belong to the next packet
};

std::recursive_mutex mutex;
std::set<Decoder*> decoders;
std::set<Parser*> parsers;
thread_local Parser* calling = nullptr;

bool shows_in_decoding_order(const Parser& parser) {
  return parser.codec->id == AV_CODEC_ID_VP9 || parser.codec->id == AV_CODEC_ID_AV1;
}

void open_codec(Parser* p) {
  p->context = avcodec_alloc_context3(p->codec);
  p->context->thread_count = 1;
  p->context->apply_cropping = 0;
  p->context->flags |= AV_CODEC_FLAG_OUTPUT_CORRUPT;
  p->context->flags2 |= AV_CODEC_FLAG2_SHOW_ALL;  // hardware shows undecodable leading pictures too
  p->splitter = av_parser_init(p->codec->id);
  const CUVIDEOFORMATEX* extra = p->parameters.pExtVideoInfo;
  if (extra != nullptr && extra->format.seqhdr_data_length != 0 &&
      p->codec->id != AV_CODEC_ID_AV1) {
    const unsigned size = extra->format.seqhdr_data_length;
    p->context->extradata =
        static_cast<std::uint8_t*>(av_mallocz(size + AV_INPUT_BUFFER_PADDING_SIZE));
    std::memcpy(p->context->extradata, extra->raw_seqhdr_data, size);
    p->context->extradata_size = static_cast<int>(size);
  }
  avcodec_open2(p->context, p->codec, nullptr);
}

CUVIDEOFORMAT format_of(const Parser& p) {
  CUVIDEOFORMAT format{};
  const auto pixels = p.context->pix_fmt;
  format.codec = p.parameters.CodecType;
  format.coded_width = static_cast<unsigned>(p.context->coded_width);
  format.coded_height = static_cast<unsigned>(p.context->coded_height);
  format.progressive_sequence = 1;
  format.bit_depth_luma_minus8 = format.bit_depth_chroma_minus8 =
      static_cast<unsigned char>(fake::depth_of(pixels) - 8);
  format.chroma_format =
      fake::is_444(pixels) ? cudaVideoChromaFormat_444 : cudaVideoChromaFormat_420;
  format.display_area.right = p.context->width;
  format.display_area.bottom = p.context->height;
  format.frame_rate.denominator = 1;
  format.min_num_decode_surfaces = static_cast<unsigned char>(p.context->has_b_frames + 3);
  auto& signal = format.video_signal_description;
  signal.matrix_coefficients = static_cast<unsigned char>(p.context->colorspace);
  signal.color_primaries = static_cast<unsigned char>(p.context->color_primaries);
  signal.transfer_characteristics = static_cast<unsigned char>(p.context->color_trc);
  signal.video_full_range_flag = p.context->color_range == AVCOL_RANGE_JPEG ||
                                 pixels == AV_PIX_FMT_YUVJ420P || pixels == AV_PIX_FMT_YUVJ444P;
  return format;
}

bool is_same(const CUVIDEOFORMAT& a, const CUVIDEOFORMAT& b) {
  return a.coded_width == b.coded_width && a.coded_height == b.coded_height &&
         a.bit_depth_luma_minus8 == b.bit_depth_luma_minus8 && a.chroma_format == b.chroma_format &&
         std::memcmp(&a.display_area, &b.display_area, sizeof a.display_area) == 0;
}

// A picture, in display order.
CUresult display(Parser* p, AVFrame* picture) {
  const auto found = p->slot_of.find(picture->pts);
  if (found == p->slot_of.end()) return CUDA_SUCCESS;
  const int index = found->second;
  p->slot_of.erase(found);
  Slot& slot = p->slots[static_cast<std::size_t>(index)];
  const bool lives = slot.decoder != nullptr && decoders.count(slot.decoder) != 0;
  if (lives) slot.decoder->pictures[static_cast<std::size_t>(index)] = fake::reference(picture);
  CUVIDPARSERDISPINFO shown{};
  shown.picture_index = index;
  shown.progressive_frame = 1;
  shown.timestamp = slot.timestamp;
  // Times are handed out in rising order, whichever picture they came with.
  if (fake_get("times_stay") == 0 && !p->times.empty()) {
    shown.timestamp = *p->times.begin();
    p->times.erase(p->times.begin());
  }
  if (p->codec->id == AV_CODEC_ID_VP9 && fake_get("wrong_vp9_pts") != 0) {
    std::swap(shown.timestamp, p->before);
  }
  const int ok = p->parameters.pfnDisplayPicture(p->parameters.pUserData, &shown);
  slot.used = false;  // from here the index may be handed out again
  p->freed.push_back(index);
  if (fake_get("cycle") == 0 && slot.decoder != nullptr && decoders.count(slot.decoder) != 0) {
    slot.decoder->pictures[static_cast<std::size_t>(index)].reset();
  }
  return ok != 0 ? CUDA_SUCCESS : CUDA_ERROR_UNKNOWN;
}

CUresult display_all(Parser* p, const std::vector<Frame>& pictures) {
  for (const Frame& picture : pictures) {
    if (const CUresult code = display(p, picture.get())) return code;
  }
  return CUDA_SUCCESS;
}

void receive(Parser* p, std::vector<Frame>* into) {
  while (avcodec_receive_frame(p->context, p->frame) >= 0) {
    into->push_back(fake::reference(p->frame));
    av_frame_unref(p->frame);
  }
}

// What becomes of leading pictures that cannot be decoded after a start, as seen on a GPU.
enum class Leading { kNone, kNotDecoded, kNotShown };

// The type of the first slice of a packet, or -1.
int slice_type(const Parser& p, const std::uint8_t* data, std::size_t size) {
  const bool hevc = p.codec->id == AV_CODEC_ID_HEVC;
  for (std::size_t i = 0; i + 4 < size; ++i) {
    if (data[i] != 0 || data[i + 1] != 0 || data[i + 2] != 1) continue;
    const int type = hevc ? data[i + 3] >> 1 & 0x3f : data[i + 3] & 0x1f;
    if (hevc ? type < 32 : type == 1 || type == 5) return type;
  }
  return -1;
}

// HEVC: decoded, into nothing, and not shown.
Leading hevc_leading(Parser* p, int type) {
  if (type >= 16 && type <= 23) {
    p->skips_leading = p->fresh && type == 21;
    p->fresh = false;
  }
  const bool leads = p->skips_leading && (type == 8 || type == 9);
  return leads ? Leading::kNotShown : Leading::kNone;
}

// H.264: told apart by their place in the order of display, and not even decoded.
Leading h264_leading(Parser* p, int type, const std::uint8_t* data, std::size_t size) {
  if (type == 5) p->fresh = p->skips_leading = false;
  if (p->fresh) {
    av_parser_close(p->order);
    p->order = av_parser_init(p->codec->id);
    p->order->flags |= PARSER_FLAG_COMPLETE_FRAMES;
  }
  if (!p->fresh && !p->skips_leading) return Leading::kNone;
  std::uint8_t* out = nullptr;
  int out_size = 0;
  av_parser_parse2(p->order, p->context, &out, &out_size, data, static_cast<int>(size),
                   AV_NOPTS_VALUE, AV_NOPTS_VALUE, 0);
  const int number = p->order->output_picture_number;
  if (p->fresh) {
    p->fresh = false;
    p->skips_leading = true;
    p->number_of_start = number;
  }
  return number < p->number_of_start ? Leading::kNotDecoded : Leading::kNone;
}

Leading leading(Parser* p, const std::uint8_t* data, std::size_t size) {
  if (shows_in_decoding_order(*p)) return Leading::kNone;
  const int type = slice_type(*p, data, size);
  if (type < 0) return Leading::kNone;
  return p->codec->id == AV_CODEC_ID_HEVC ? hevc_leading(p, type)
                                          : h264_leading(p, type, data, size);
}

// The types of the units of a packet with start codes, or of an AV1 temporal unit.
bool has_sequence_header(const Parser& p, const std::uint8_t* data, std::size_t size) {
  switch (p.parameters.CodecType) {
    case cudaVideoCodec_H264:
    case cudaVideoCodec_HEVC:
      for (std::size_t i = 0; i + 4 < size; ++i) {
        if (data[i] != 0 || data[i + 1] != 0 || data[i + 2] != 1) continue;
        const bool hevc = p.parameters.CodecType == cudaVideoCodec_HEVC;
        if (hevc ? (data[i + 3] >> 1 & 0x3f) == 33 : (data[i + 3] & 0x1f) == 7) return true;
      }
      return false;
    case cudaVideoCodec_AV1:
      for (std::size_t at = 0; at < size;) {
        if ((data[at] >> 3 & 15) == 1) return true;
        const bool has_size = (data[at] & 2) != 0;
        at += (data[at] & 4) != 0 ? 2 : 1;
        if (!has_size) return false;
        std::size_t length = 0;
        for (int i = 0; i < 8 && at < size; ++i) {
          length |= static_cast<std::size_t>(data[at] & 127) << (7 * i);
          if ((data[at++] & 128) == 0) break;
        }
        at += length;
      }
      return false;
    default: return true;  // VP9 has none
  }
}

int free_slot(Parser* p) {
  const auto count = static_cast<unsigned>(p->slots.size());
  if (fake_get("cycle") != 0) {
    for (unsigned i = 0; i < count; ++i) {
      const unsigned candidate = (p->next_slot + i) % count;
      if (!p->slots[candidate].used) {
        p->next_slot = candidate + 1;
        p->freed.clear();
        return static_cast<int>(candidate);
      }
    }
    return -1;
  }
  while (!p->freed.empty()) {
    const int candidate = p->freed.back();
    p->freed.pop_back();
    if (candidate < static_cast<int>(count) &&
        !p->slots[static_cast<std::size_t>(candidate)].used) {
      return candidate;
    }
  }
  for (unsigned i = 0; i < count; ++i) {
    if (!p->slots[i].used) return static_cast<int>(i);
  }
  return -1;
}

// The decoder is handed a picture in a surface; true where it took it.
bool hand_over(Parser* p, int index, std::uint8_t* data, std::size_t size) {
  CUVIDPICPARAMS picture{};
  picture.CurrPicIdx = index;
  picture.PicWidthInMbs = static_cast<int>(p->format.coded_width + 15) / 16;
  picture.FrameHeightInMbs = static_cast<int>(p->format.coded_height + 15) / 16;
  picture.nBitstreamDataLen = static_cast<unsigned>(size);
  picture.pBitstreamData = data;
  picture.nNumSlices = 1;
  calling = p;
  const int ok = p->parameters.pfnDecodePicture(p->parameters.pUserData, &picture);
  calling = nullptr;
  return ok != 0;
}

CUresult decode_into_nothing(Parser* p, std::uint8_t* data, std::size_t size) {
  const int index = free_slot(p);
  if (index < 0) {
    fake_misuse("the parser ran out of surfaces: the sequence callback returned too few");
    return CUDA_ERROR_UNKNOWN;
  }
  p->slots[static_cast<std::size_t>(index)] = {false, 0, nullptr};
  p->freed.push_back(index);
  return hand_over(p, index, data, size) ? CUDA_SUCCESS : CUDA_ERROR_UNKNOWN;
}

CUresult one_picture(Parser* p, std::uint8_t* data, std::size_t size, bool timed,
                     CUvideotimestamp timestamp) {
  // Nothing is decoded before the sequence headers, which every flush forgets.
  p->has_headers = p->has_headers || has_sequence_header(*p, data, size);
  if (!p->has_headers) return CUDA_SUCCESS;
  const Leading leads = leading(p, data, size);
  if (leads == Leading::kNotDecoded) return CUDA_SUCCESS;
  // Headers alone come without. The times of pictures that are not shown stay, and are given to
  // others: so does a GPU, by a rule that we do not know.
  if (timed) p->times.insert(timestamp);
  if (leads == Leading::kNotShown && p->has_format) return decode_into_nothing(p, data, size);
  const std::int64_t number = p->next++;
  p->packet->data = data;
  p->packet->size = static_cast<int>(size);
  p->packet->pts = p->packet->dts = number;
  std::vector<Frame> out;
  int code = avcodec_send_packet(p->context, p->packet);
  if (code == AVERROR(EAGAIN)) {
    receive(p, &out);
    code = avcodec_send_packet(p->context, p->packet);
  }
  receive(p, &out);
  if (code < 0 || p->context->width == 0) return display_all(p, out);  // damage, or only headers
  CUVIDEOFORMAT format = format_of(*p);
  if (number > fake_get("grow_after")) format.coded_width += 16;
  if (!p->has_format || !is_same(format, p->format)) {
    p->format = format;
    p->has_format = true;
    CUVIDEOFORMAT given = format;
    const int surfaces = p->parameters.pfnSequenceCallback(p->parameters.pUserData, &given);
    if (surfaces == 0) return CUDA_ERROR_UNKNOWN;
    p->slots.resize(surfaces > 1 ? static_cast<std::size_t>(surfaces)
                                 : p->parameters.ulMaxNumDecodeSurfaces);
  }
  const int index = free_slot(p);
  if (index < 0) {
    fake_misuse("the parser ran out of surfaces: the sequence callback returned too few");
    return CUDA_ERROR_UNKNOWN;
  }
  Slot& slot = p->slots[static_cast<std::size_t>(index)];
  slot = {true, timestamp, nullptr};
  p->slot_of[number] = index;
  if (!hand_over(p, index, data, size)) {
    slot.used = false;
    p->slot_of.erase(number);
    return CUDA_ERROR_UNKNOWN;
  }
  const CUresult shown = display_all(p, out);
  if (shows_in_decoding_order(*p)) {  // a picture that is never shown gives its slot back
    const auto hidden = p->slot_of.find(number);
    if (hidden != p->slot_of.end()) {
      const auto time = p->times.find(timestamp);
      if (time != p->times.end()) p->times.erase(time);
      p->slots[static_cast<std::size_t>(hidden->second)].used = false;
      p->slot_of.erase(hidden);
    }
  }
  return shown;
}

CUresult feed(Parser* p, const std::uint8_t* data, std::size_t size, bool timed,
              CUvideotimestamp timestamp, bool whole_picture) {
  if (size != 0 && !timed && !whole_picture && !shows_in_decoding_order(*p)) {
    p->headers.insert(p->headers.end(), data, data + size);
    return CUDA_SUCCESS;
  }
  std::vector<std::uint8_t> bytes;
  if (size != 0) {
    bytes.swap(p->headers);
    bytes.insert(bytes.end(), data, data + size);
  }
  const std::size_t total = bytes.size();
  bytes.resize(total + AV_INPUT_BUFFER_PADDING_SIZE);
  if (whole_picture || shows_in_decoding_order(*p)) {
    return total != 0 ? one_picture(p, bytes.data(), total, timed, timestamp) : CUDA_SUCCESS;
  }
  // Without ENDOFPICTURE a picture is known to end only when the next one begins.
  std::uint8_t* in = bytes.data();
  int left = static_cast<int>(total);
  std::int64_t pts = timed ? timestamp : AV_NOPTS_VALUE;
  do {
    std::uint8_t* out = nullptr;
    int out_size = 0;
    const int used = av_parser_parse2(p->splitter, p->context, &out, &out_size, in, left, pts,
                                      AV_NOPTS_VALUE, 0);
    pts = AV_NOPTS_VALUE;
    in += used;
    left -= used;
    if (out_size != 0) {
      std::vector<std::uint8_t> unit(out, out + out_size);
      unit.resize(unit.size() + AV_INPUT_BUFFER_PADDING_SIZE);
      const auto code =
          one_picture(p, unit.data(), static_cast<std::size_t>(out_size), true, p->splitter->pts);
      if (code != CUDA_SUCCESS) return code;
    } else if (total == 0) {
      break;
    }
  } while (left > 0);
  return CUDA_SUCCESS;
}

CUresult end_of_stream(Parser* p, bool notify) {
  if (const CUresult code = feed(p, nullptr, 0, false, 0, false)) return code;
  std::vector<Frame> out;
  avcodec_send_packet(p->context, nullptr);
  receive(p, &out);
  const CUresult code = display_all(p, out);
  avcodec_flush_buffers(p->context);
  p->fresh = true;
  p->has_headers = false;
  p->has_format = false;  // the real one says again what it decodes
  p->times.clear();
  p->headers.clear();
  for (Slot& slot : p->slots) slot.used = false;
  p->slot_of.clear();
  if (notify) p->parameters.pfnDisplayPicture(p->parameters.pUserData, nullptr);
  return code;
}

void release_outputs(Decoder* decoder) {
  for (OutputSurface& output : decoder->outputs) {
    if (output.mapped && *output.mapped) {
      fake_misuse("a decoder was destroyed while a surface of it is mapped");
      *output.mapped = false;
      fake_count("mapped", -1);
    }
    fake_release(output.memory);
  }
}

}  // namespace

#define ENTER(name)                                        \
  const std::lock_guard<std::recursive_mutex> lock(mutex); \
  if (const int failed = fake_enter(#name, 1)) return static_cast<CUresult>(failed)
#define FAIL(code) return static_cast<CUresult>(code)
// What gives something back does so even when ordered to fail, unless no context is current.
#define ENTER_GIVING_BACK(name)                            \
  const std::lock_guard<std::recursive_mutex> lock(mutex); \
  const int late = fake_enter(#name, 1);                   \
  if (late == kInvalidContext) return static_cast<CUresult>(late)

FAKE_API CUresult cuvidGetDecoderCaps(CUVIDDECODECAPS* caps) {
  ENTER(cuvidGetDecoderCaps);
  const bool is_420 = caps->eChromaFormat == cudaVideoChromaFormat_420;
  const bool deep = caps->nBitDepthMinus8 != 0;
  switch (caps->eCodecType) {
    case cudaVideoCodec_H264: caps->bIsSupported = is_420 && !deep; break;
    case cudaVideoCodec_HEVC:
      caps->bIsSupported = is_420 || caps->eChromaFormat == cudaVideoChromaFormat_444;
      break;
    case cudaVideoCodec_VP9:
    case cudaVideoCodec_AV1: caps->bIsSupported = is_420; break;
    default: caps->bIsSupported = 0; break;
  }
  caps->nNumNVDECs = 1;
  const int deep_format =
      is_420 ? cudaVideoSurfaceFormat_P016 : cudaVideoSurfaceFormat_YUV444_16Bit;
  const int format = is_420 ? cudaVideoSurfaceFormat_NV12 : cudaVideoSurfaceFormat_YUV444;
  caps->nOutputFormatMask =
      static_cast<unsigned short>(1 << format | (deep ? 1 << deep_format : 0));
  caps->nMaxWidth = caps->nMaxHeight = 4096;
  caps->nMaxMBCount = 65536;
  const bool small = caps->eCodecType == cudaVideoCodec_H264;  // minima seen on Turing and later
  caps->nMinWidth = small ? 48 : 144;
  caps->nMinHeight = small ? 16 : 144;
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuvidCreateDecoder(CUvideodecoder* made, CUVIDDECODECREATEINFO* info) {
  ENTER(cuvidCreateDecoder);
  if (info->ulNumDecodeSurfaces == 0 || info->ulNumDecodeSurfaces > 32 ||
      info->ulNumOutputSurfaces == 0 || info->ulNumOutputSurfaces > 64 ||
      info->ulTargetWidth % 2 != 0 || info->ulTargetHeight % 2 != 0 ||
      info->display_area.right == 0) {
    fake_misuse("cuvidCreateDecoder: numbers no driver accepts");
    FAIL(kInvalidValue);
  }
  const auto& area = info->display_area;
  if (static_cast<unsigned long>(area.right - area.left) != info->ulTargetWidth ||
      static_cast<unsigned long>(area.bottom - area.top) != info->ulTargetHeight ||
      static_cast<unsigned long>(area.right) > info->ulWidth ||
      static_cast<unsigned long>(area.bottom) > info->ulHeight) {
    fake_misuse("cuvidCreateDecoder: the engine would scale the displayed area to its target");
  }
  auto decoder = std::make_unique<Decoder>();
  decoder->shape = fake::SurfaceShape(*info);
  decoder->device = fake_current_device();
  decoder->pictures.resize(info->ulNumDecodeSurfaces);
  decoder->number_of.resize(info->ulNumDecodeSurfaces);
  for (unsigned long i = 0; i < info->ulNumOutputSurfaces; ++i) {
    decoder->outputs.push_back(
        {static_cast<std::uint8_t*>(fake_allocate(decoder->shape.bytes)), nullptr});
  }
  fake_count("decoders", 1);
  decoders.insert(decoder.get());
  *made = decoder.release();
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuvidDestroyDecoder(CUvideodecoder handle) {
  ENTER_GIVING_BACK(cuvidDestroyDecoder);
  auto* decoder = static_cast<Decoder*>(handle);
  if (decoders.erase(decoder) == 0) {
    fake_misuse("cuvidDestroyDecoder: not a live decoder");
    FAIL(kInvalidHandle);
  }
  if (decoder->device != fake_current_device()) {
    fake_misuse("cuvidDestroyDecoder: under another device's context");
  }
  release_outputs(decoder);
  fake_count("decoders", -1);
  delete decoder;
  return static_cast<CUresult>(late);
}

FAKE_API CUresult cuvidDecodePicture(CUvideodecoder handle, CUVIDPICPARAMS* picture) {
  ENTER(cuvidDecodePicture);
  auto* decoder = static_cast<Decoder*>(handle);
  const auto index = static_cast<std::size_t>(picture->CurrPicIdx);
  if (decoders.count(decoder) == 0 || index >= decoder->pictures.size()) {
    fake_misuse("cuvidDecodePicture: a surface outside of ulNumDecodeSurfaces");
    FAIL(kInvalidValue);
  }
  if (decoder->device != fake_current_device()) {
    fake_misuse("cuvidDecodePicture: under another device's context");
  }
  decoder->pictures[index].reset();
  decoder->number_of[index] = decoder->submitted++;
  if (calling != nullptr) calling->slots[index].decoder = decoder;
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuvidGetDecodeStatus(CUvideodecoder handle, int index,
                                       CUVIDGETDECODESTATUS* status) {
  ENTER(cuvidGetDecodeStatus);
  auto* decoder = static_cast<Decoder*>(handle);
  const bool fails = decoder->number_of[static_cast<std::size_t>(index)] == fake_get("error_at");
  status->decodeStatus = fails ? cuvidDecodeStatus_Error : cuvidDecodeStatus_Success;
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuvidMapVideoFrame64(CUvideodecoder handle, int index, CUdeviceptr* address,
                                       unsigned* pitch, CUVIDPROCPARAMS* parameters) {
  ENTER(cuvidMapVideoFrame64);
  auto* decoder = static_cast<Decoder*>(handle);
  if (decoders.count(decoder) == 0 || index < 0 ||
      static_cast<std::size_t>(index) >= decoder->pictures.size()) {
    FAIL(kInvalidValue);
  }
  const Frame picture = decoder->pictures[static_cast<std::size_t>(index)];
  if (!picture) {
    fake_misuse(
        "cuvidMapVideoFrame64: not decoded, or its surface has been reused: map inside of "
        "the display callback");
    FAIL(kMapFailed);
  }
  for (OutputSurface& output : decoder->outputs) {
    if (output.mapped && *output.mapped) continue;
    const auto mapped = std::make_shared<bool>(true);
    output.mapped = mapped;
    fake_count("mapped", 1);
    std::uint8_t* memory = output.memory;
    const fake::SurfaceShape shape = decoder->shape;
    // The engine writes the surface in the order of the stream it was mapped on, or never.
    std::function<void()> write = [=] {
      if (*mapped) {
        fake::write_surface(*picture, shape, memory);
      } else {
        std::memset(memory, fake::kPoison, shape.bytes);
      }
    };
    fake_enqueue(parameters->output_stream, &write);
    *address = static_cast<CUdeviceptr>(reinterpret_cast<std::uintptr_t>(memory));
    *pitch = shape.pitch;
    return CUDA_SUCCESS;
  }
  fake_misuse("cuvidMapVideoFrame64: more surfaces mapped than ulNumOutputSurfaces");
  FAIL(kMapFailed);
}

FAKE_API CUresult cuvidUnmapVideoFrame64(CUvideodecoder handle, CUdeviceptr address) {
  ENTER(cuvidUnmapVideoFrame64);
  auto* decoder = static_cast<Decoder*>(handle);
  if (decoders.count(decoder) != 0) {
    for (OutputSurface& output : decoder->outputs) {
      if (reinterpret_cast<std::uintptr_t>(output.memory) != address) continue;
      if (!output.mapped || !*output.mapped) break;
      *output.mapped = false;
      fake_count("mapped", -1);
      std::memset(output.memory, fake::kPoison, decoder->shape.bytes);
      return CUDA_SUCCESS;
    }
  }
  fake_misuse("cuvidUnmapVideoFrame64: not a mapped surface");
  FAIL(kInvalidValue);
}

FAKE_API CUresult cuvidCreateVideoParser(CUvideoparser* made, CUVIDPARSERPARAMS* parameters) {
  ENTER(cuvidCreateVideoParser);
  const AVCodec* codec = nullptr;
  switch (parameters->CodecType) {
    case cudaVideoCodec_H264: codec = avcodec_find_decoder_by_name("h264"); break;
    case cudaVideoCodec_HEVC: codec = avcodec_find_decoder_by_name("hevc"); break;
    case cudaVideoCodec_VP9: codec = avcodec_find_decoder_by_name("vp9"); break;
    case cudaVideoCodec_AV1: codec = avcodec_find_decoder_by_name("libdav1d"); break;
    default: break;
  }
  if (codec == nullptr) FAIL(kInvalidValue);
  auto* parser = new Parser;
  parser->parameters = *parameters;
  parser->codec = codec;
  parser->packet = av_packet_alloc();
  parser->frame = av_frame_alloc();
  parser->slots.resize(parameters->ulMaxNumDecodeSurfaces);
  const CUVIDEOFORMATEX* outside = parameters->pExtVideoInfo;
  parser->has_headers = outside != nullptr && outside->format.seqhdr_data_length != 0;
  open_codec(parser);
  parsers.insert(parser);
  fake_count("parsers", 1);
  *made = parser;
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuvidDestroyVideoParser(CUvideoparser handle) {
  ENTER_GIVING_BACK(cuvidDestroyVideoParser);
  auto* parser = static_cast<Parser*>(handle);
  if (parsers.erase(parser) == 0) {
    fake_misuse("cuvidDestroyVideoParser: not a live parser");
    FAIL(kInvalidHandle);
  }
  parser->packet->data = nullptr;
  parser->packet->size = 0;
  av_packet_free(&parser->packet);
  av_frame_free(&parser->frame);
  if (parser->splitter != nullptr) av_parser_close(parser->splitter);
  av_parser_close(parser->order);
  avcodec_free_context(&parser->context);
  fake_count("parsers", -1);
  delete parser;
  return static_cast<CUresult>(late);
}

FAKE_API CUresult cuvidParseVideoData(CUvideoparser handle, CUVIDSOURCEDATAPACKET* packet) {
  ENTER(cuvidParseVideoData);
  auto* parser = static_cast<Parser*>(handle);
  if (parsers.count(parser) == 0) FAIL(kInvalidHandle);
  if (packet->payload_size != 0) {
    const CUresult code =
        feed(parser, packet->payload, packet->payload_size,
             (packet->flags & CUVID_PKT_TIMESTAMP) != 0, packet->timestamp,
             (packet->flags & CUVID_PKT_ENDOFPICTURE) != 0 && fake_get("late_parser") == 0);
    if (code != CUDA_SUCCESS) return code;
  }
  if ((packet->flags & CUVID_PKT_ENDOFSTREAM) != 0) {
    return end_of_stream(parser, (packet->flags & CUVID_PKT_NOTIFY_EOS) != 0);
  }
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuvidReconfigureDecoder(CUvideodecoder, CUVIDRECONFIGUREDECODERINFO*) {
  ENTER(cuvidReconfigureDecoder);
  FAIL(kNotSupported);
}
FAKE_API CUresult cuvidCtxLockCreate(CUvideoctxlock* lock, CUcontext) {
  *lock = reinterpret_cast<CUvideoctxlock>(1);
  return CUDA_SUCCESS;
}
FAKE_API CUresult cuvidCtxLockDestroy(CUvideoctxlock) {
  return CUDA_SUCCESS;
}
FAKE_API CUresult cuvidCtxLock(CUvideoctxlock, unsigned) {
  return CUDA_SUCCESS;
}
FAKE_API CUresult cuvidCtxUnlock(CUvideoctxlock, unsigned) {
  return CUDA_SUCCESS;
}

// FFmpeg's loader insists on these; nothing calls them.
#define NEVER(name)          \
  FAKE_API CUresult name() { \
    FAIL(kNotSupported);     \
  }
NEVER(cuvidCreateVideoSource)
NEVER(cuvidCreateVideoSourceW)
NEVER(cuvidDestroyVideoSource)
NEVER(cuvidSetVideoSourceState)
NEVER(cuvidGetVideoSourceState)
NEVER(cuvidGetSourceVideoFormat)
NEVER(cuvidGetSourceAudioFormat)
