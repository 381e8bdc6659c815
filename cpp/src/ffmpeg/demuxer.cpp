#include "ffmpeg/demuxer.hpp"

#include <optional>

extern "C" {
#include <libavutil/display.h>
#include <libavutil/pixdesc.h>
}

#include <algorithm>
#include <vector>

#include "ffmpeg/enums.hpp"
#include "video/limits.hpp"
#include "video/orientation.hpp"

namespace deepsport::ffmpeg {

// Containers that hold their own media. Playlists and scripts (hls, concat, dash, ...) are not
// among them: they would name other files.
constexpr const char* kContainers =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,avi,ogg,flv,asf,mxf,nut,ivf,obu,h264,hevc,"
    "m4v,mpegvideo,mjpeg,gif,rm,dv,yuv4mpegpipe,wtv";
constexpr int kIoBytes = 1 << 16;
constexpr std::int64_t kLeastPixels = 1 << 16;  // FFmpeg's limit counts the margins of decoders

struct Demuxer::State {
  std::shared_ptr<const Source> source;
  Deadline deadline;
  std::uint64_t position = 0;
  std::optional<Error> failure;  // of the source: FFmpeg takes none through its own code

  // What the source's reader was cancelled by outlives FFmpeg, which goes on without the bytes.
  void check_cancelled() const {
    if (failure && failure->code() == Errc::kCancelled) throw *failure;
  }

  static int read(void* opaque, std::uint8_t* into, int count) {
    auto& self = *static_cast<State*>(opaque);
    if (self.deadline.state() != Errc::kOk) return AVERROR_EXIT;
    try {
      const std::size_t got =
          self.source->read_at(self.position, into, static_cast<std::size_t>(count));
      self.position += got;
      return got == 0 ? AVERROR_EOF : static_cast<int>(got);
    } catch (const Error& error) {
      self.failure.emplace(error);
      return AVERROR(EIO);
    }
  }
  static std::int64_t seek(void* opaque, std::int64_t offset, int whence) {
    auto& self = *static_cast<State*>(opaque);
    const auto size = static_cast<std::int64_t>(self.source->size());
    if ((whence & AVSEEK_SIZE) != 0) return size;
    whence &= ~AVSEEK_FORCE;
    std::int64_t target = offset;
    if (whence == SEEK_CUR) target += static_cast<std::int64_t>(self.position);
    if (whence == SEEK_END) target += size;
    if (target < 0) return AVERROR(EINVAL);
    self.position = static_cast<std::uint64_t>(target);
    return target;
  }
  static int interrupt(void* opaque) {
    return static_cast<State*>(opaque)->deadline.state() == Errc::kOk ? 0 : 1;
  }
  static int refuse(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) {
    return AVERROR(EACCES);
  }
};

std::string error_text(int code) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(code, text, sizeof text);
  return text;
}

void Demuxer::fail(int code, const char* doing) const {
  state_->deadline.check(doing);
  if (state_->failure) throw *state_->failure;
  throw Error(Errc::kNotVideo, source_->name() + ": " + doing + " found '" + error_text(code) +
                                   "'; valid is a complete mp4, mov, mkv, webm, ts, avi or similar "
                                   "file with a video stream");
}

Demuxer::Demuxer(std::shared_ptr<const Source> source, const Limits& limits, Deadline deadline)
    : source_(std::move(source)), state_(std::make_unique<State>()) {
  state_->source = source_;
  state_->deadline = std::move(deadline);
  auto* buffer = checked(static_cast<std::uint8_t*>(av_malloc(kIoBytes)));
  io_.reset(
      avio_alloc_context(buffer, kIoBytes, 0, state_.get(), State::read, nullptr, State::seek));
  if (!io_) {
    av_free(buffer);
    throw std::bad_alloc();
  }
  AVFormatContext* format = checked(avformat_alloc_context());
  format->pb = io_.get();
  format->io_open = State::refuse;
  format->interrupt_callback = {State::interrupt, state_.get()};
  format->max_analyze_duration = 5 * AV_TIME_BASE;
  AVDictionary* options = nullptr;
  av_dict_set(&options, "format_whitelist", kContainers, 0);
  av_dict_set(&options, "protocol_whitelist", "file", 0);
  // The name stays empty: a demuxer must not guess from the path what the bytes do not say.
  const int opened = avformat_open_input(&format, "", nullptr, &options);
  av_dict_free(&options);
  if (opened < 0) fail(opened, "opening it");  // avformat_open_input has freed the context
  format_.reset(format);

  // Analysing decodes a little where headers leave something out.
  for (unsigned i = 0; i < format->nb_streams; ++i) {
    const AVCodecParameters& par = *format->streams[i]->codecpar;
    if (par.codec_type != AVMEDIA_TYPE_VIDEO) continue;
    check_picture_size(source_->name(), par.width, par.height, limits);
  }
  std::vector<AVDictionary*> decoding(format->nb_streams, nullptr);
  for (AVDictionary*& one : decoding) {
    av_dict_set_int(&one, "max_pixels", std::max(limits.max_pixels, kLeastPixels), 0);
  }
  const int analysed = avformat_find_stream_info(format, decoding.data());
  for (AVDictionary*& one : decoding) av_dict_free(&one);
  if (analysed < 0) fail(analysed, "analysing its streams");
  state_->check_cancelled();
  state_->deadline.check("analysing its streams");  // it was stopped, and does not say so
  const int best = av_find_best_stream(format, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  for (unsigned i = 0; i < format->nb_streams; ++i) {
    if (static_cast<int>(i) != best) format->streams[i]->discard = AVDISCARD_ALL;
  }
  if (best < 0) {
    throw Error(Errc::kNotVideo, source_->name() + ": no video stream among its " +
                                     std::to_string(format->nb_streams) +
                                     " streams; valid is a file with one");
  }
  stream_ = format->streams[best];
  read_facts(limits);
}

Demuxer::~Demuxer() = default;

void Demuxer::read_facts(const Limits& limits) {
  const AVCodecParameters& par = *stream_->codecpar;
  StreamFacts& f = facts_;
  f.container = format_->iformat->name;
  f.codec = avcodec_get_name(par.codec_id);
  f.codec_id = par.codec_id;
  f.codec_tag = par.codec_tag;
  if (par.extradata_size > 0) {
    f.extradata.assign(par.extradata, par.extradata + par.extradata_size);
  }
  f.coded_width = par.width;
  f.coded_height = par.height;
  f.pixel_format = par.format;
  f.profile = par.profile;
  f.level = par.level;
  f.bits_per_coded_sample = par.bits_per_coded_sample;
  f.color_range = number_of(par.color_range);
  f.color_primaries = number_of(par.color_primaries);
  f.color_transfer = number_of(par.color_trc);
  f.color_space = number_of(par.color_space);
  f.chroma_location = number_of(par.chroma_location);
  f.field_order = number_of(par.field_order);
  f.video_delay = par.video_delay;
  const AVRational aspect = av_guess_sample_aspect_ratio(format_.get(), stream_, nullptr);
  f.sample_aspect_num = aspect.num;
  f.sample_aspect_den = aspect.den;
  f.time_base_num = stream_->time_base.num;
  f.time_base_den = stream_->time_base.den;
  if (f.time_base_num <= 0 || f.time_base_den <= 0) {
    throw Error(Errc::kCorrupt,
                source_->name() + ": its time base is " + std::to_string(f.time_base_num) + "/" +
                    std::to_string(f.time_base_den) + "; valid are positive numbers");
  }
  if (f.coded_width <= 0 || f.coded_height <= 0) {
    throw Error(Errc::kNotVideo, source_->name() + ": its " + f.codec +
                                     " stream has no picture size; valid is a stream whose headers "
                                     "are complete");
  }
  check_picture_size(source_->name(), f.coded_width, f.coded_height, limits);
  if (const std::uint8_t* raw =
          av_stream_get_side_data(stream_, AV_PKT_DATA_DISPLAYMATRIX, nullptr)) {
    const auto* matrix = reinterpret_cast<const std::int32_t*>(raw);
    f.orientation = orientation_of(matrix);
  }
}

bool Demuxer::next(AVPacket* packet) {
  for (;;) {
    state_->deadline.poll("reading packets");
    av_packet_unref(packet);
    const int code = av_read_frame(format_.get(), packet);
    state_->check_cancelled();
    if (code == AVERROR(EAGAIN)) continue;
    if (code < 0) {
      state_->deadline.check("reading packets");
      if (state_->failure) throw *state_->failure;
      return false;  // the end, or damage behind which the demuxer finds nothing more
    }
    if (packet->stream_index == stream_->index && packet->size > 0) return true;
  }
}

bool Demuxer::seek_bytes(std::int64_t offset) {
  return av_seek_frame(format_.get(), -1, offset, AVSEEK_FLAG_BYTE) >= 0;
}

void Demuxer::renew(Deadline deadline) {
  state_->deadline = std::move(deadline);
  state_->failure.reset();
}

}  // namespace deepsport::ffmpeg
