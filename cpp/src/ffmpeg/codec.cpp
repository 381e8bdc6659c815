#include "ffmpeg/codec.hpp"

#include <algorithm>
#include <cstring>

#include "ffmpeg/enums.hpp"

namespace deepsport::ffmpeg {
namespace {

constexpr int kMaxErrors = 64;  // in a row, of one packet or one drain
// What decoders add around a picture they allocate: blocks, and edges for motion that points
// outside.
constexpr std::int64_t kMargin = 256;

ParametersPtr to_parameters(const StreamFacts& f) {
  ParametersPtr par(checked(avcodec_parameters_alloc()));
  par->codec_type = AVMEDIA_TYPE_VIDEO;
  par->codec_id = static_cast<AVCodecID>(f.codec_id);
  par->codec_tag = f.codec_tag;
  par->width = f.coded_width;
  par->height = f.coded_height;
  par->format = f.pixel_format;
  par->profile = f.profile;
  par->level = f.level;
  par->bits_per_coded_sample = f.bits_per_coded_sample;
  par->color_range = enumerator(f.color_range, AVCOL_RANGE_NB, AVCOL_RANGE_UNSPECIFIED);
  par->color_primaries = enumerator(f.color_primaries, AVCOL_PRI_NB, AVCOL_PRI_UNSPECIFIED);
  par->color_trc = enumerator(f.color_transfer, AVCOL_TRC_NB, AVCOL_TRC_UNSPECIFIED);
  par->color_space = enumerator(f.color_space, AVCOL_SPC_NB, AVCOL_SPC_UNSPECIFIED);
  par->chroma_location = enumerator(f.chroma_location, AVCHROMA_LOC_NB, AVCHROMA_LOC_UNSPECIFIED);
  par->video_delay = f.video_delay;
  par->field_order = static_cast<AVFieldOrder>(
      f.field_order >= 0 && f.field_order <= AV_FIELD_BT ? f.field_order : 0);
  if (!f.extradata.empty()) {
    par->extradata = checked(
        static_cast<std::uint8_t*>(av_mallocz(f.extradata.size() + AV_INPUT_BUFFER_PADDING_SIZE)));
    std::memcpy(par->extradata, f.extradata.data(), f.extradata.size());
    par->extradata_size = static_cast<int>(f.extradata.size());
  }
  return par;
}

}  // namespace

Codec::Codec(const StreamFacts& facts, const Limits& limits, int reorder_depth, bool as_player)
    : frame_(make_frame()) {
  const AVCodec* codec = avcodec_find_decoder(static_cast<AVCodecID>(facts.codec_id));
  if (codec == nullptr) {
    throw Error(Errc::kUnsupported, "decoding " + facts.codec +
                                        ": this FFmpeg has no decoder for it; valid are the codecs "
                                        "that 'ffmpeg -decoders' lists");
  }
  context_.reset(checked(avcodec_alloc_context3(codec)));
  const ParametersPtr par = to_parameters(facts);
  if (avcodec_parameters_to_context(context_.get(), par.get()) < 0) throw std::bad_alloc();
  context_->thread_count = 1;  // parallel over GOPs and clips; frame threads cost 15-20 % more CPU
  context_->pkt_timebase = {1, 1000};
  context_->has_b_frames = std::max(context_->has_b_frames, reorder_depth);
  // FFmpeg's limit counts the margins of decoders; ours, on the picture itself, was asked before.
  context_->max_pixels =
      std::max(limits.max_pixels, (facts.coded_width + kMargin) * (facts.coded_height + kMargin));
  // Without it the H.264 decoder swallows pictures when it is drained soon after an open-GOP start.
  if (!as_player) context_->flags |= AV_CODEC_FLAG_OUTPUT_CORRUPT;
  const int opened = avcodec_open2(context_.get(), codec, nullptr);
  if (opened < 0) {
    throw Error(Errc::kUnsupported,
                "decoding " + facts.codec + ": the decoder refused its headers (" +
                    std::to_string(opened) + "); valid is a stream with complete headers");
  }
}

int Codec::feed(AVPacket* packet, const Sink& sink) {
  int failed = 0;
  const auto receive = [&] {
    for (int errors = 0; errors < kMaxErrors;) {
      const int code = avcodec_receive_frame(context_.get(), frame_.get());
      if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return;
      if (code < 0) {
        ++errors;
        failed = code;
        continue;  // damage: whole pictures may wait behind it
      }
      if (frame_->pts >= 0 && frame_->pts <= UINT32_MAX) {
        sink(static_cast<std::uint32_t>(frame_->pts), frame_.get());
      }
      av_frame_unref(frame_.get());
    }
  };
  int code = avcodec_send_packet(context_.get(), packet);
  if (code == AVERROR(EAGAIN)) {
    receive();
    code = avcodec_send_packet(context_.get(), packet);
  }
  receive();
  return code < 0 ? code : failed;
}

void Codec::set_loop_filter(bool on) {
  context_->skip_loop_filter = on ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
}

void Codec::flush() {
  avcodec_flush_buffers(context_.get());
}

bool is_damaged(const AVFrame& frame) noexcept {
  return frame.decode_error_flags != 0;
}

}  // namespace deepsport::ffmpeg
