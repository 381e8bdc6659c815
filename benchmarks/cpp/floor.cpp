// What libavcodec alone takes to decode given packets of a file: the floor under any exact reader.
//
//   floor FILE ROUNDS < runs        one run a line: the numbers of its packets, in decoding order
//
// Packets are read into memory first. Each round decodes every run with one thread and drains the
// decoder after it; nothing is converted or copied. Prints a JSON line: CPU milliseconds of each
// round, pictures that came out. Packet n is the n-th of the video stream as the demuxer gives it.
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
}

namespace {

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "floor: %s\n", what);
  std::exit(1);
}

double cpu_ms() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

struct Decoder {
  AVCodecContext* context;
  AVFrame* frame = av_frame_alloc();
  long pictures = 0;

  void feed(const AVPacket* packet) {
    avcodec_send_packet(context, packet);
    while (avcodec_receive_frame(context, frame) >= 0) ++pictures;
  }
};

}  // namespace

int main(int count, char** words) {
  if (count != 3) fail("valid are FILE ROUNDS, and runs of packet numbers on standard input");
  av_log_set_level(AV_LOG_QUIET);
  AVFormatContext* file = nullptr;
  if (avformat_open_input(&file, words[1], nullptr, nullptr) < 0) fail("cannot open the file");
  if (avformat_find_stream_info(file, nullptr) < 0) fail("no streams");
  const int stream = av_find_best_stream(file, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  if (stream < 0) fail("no video stream");
  std::vector<AVPacket*> packets;
  for (AVPacket* packet = av_packet_alloc(); av_read_frame(file, packet) >= 0;) {
    if (packet->stream_index == stream) {
      packets.push_back(packet);
      packet = av_packet_alloc();
    } else {
      av_packet_unref(packet);
    }
  }
  std::vector<std::vector<std::size_t>> runs;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream numbers(line);
    runs.emplace_back();
    for (std::size_t n; numbers >> n;) {
      if (n >= packets.size()) fail("a packet that the file does not have");
      runs.back().push_back(n);
    }
  }
  const AVCodecParameters* parameters = file->streams[stream]->codecpar;
  const AVCodec* codec = avcodec_find_decoder(parameters->codec_id);
  Decoder decoder{avcodec_alloc_context3(codec)};
  avcodec_parameters_to_context(decoder.context, parameters);
  decoder.context->thread_count = 1;
  decoder.context->flags |= AV_CODEC_FLAG_OUTPUT_CORRUPT;
  if (avcodec_open2(decoder.context, codec, nullptr) < 0) fail("cannot open the decoder");
  std::printf("{\"cpu_ms\": [");
  const int rounds = std::atoi(words[2]);
  for (int round = 0; round < rounds; ++round) {
    decoder.pictures = 0;
    const double begin = cpu_ms();
    for (const auto& run : runs) {
      for (const std::size_t n : run) decoder.feed(packets[n]);
      decoder.feed(nullptr);
      avcodec_flush_buffers(decoder.context);
    }
    std::printf("%s%.3f", round > 0 ? ", " : "", cpu_ms() - begin);
  }
  std::printf("], \"pictures\": %ld}\n", decoder.pictures);
  return 0;
}
