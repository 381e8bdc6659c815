// Frames of a window of a video through the C++ interface.
//   c++ -std=c++17 frames.cpp $(pkg-config --cflags --libs deepsport) -o frames
//   ./frames rally.mp4 0.5 1.5 4
#include <cstdio>
#include <cstdlib>
#include <deepsport/deepsport.hpp>
#include <numeric>

int main(int argc, char** argv) {
  if (argc != 5) return std::fprintf(stderr, "usage: frames VIDEO START STOP COUNT\n"), 2;
  constexpr deepsport::OutputSize kSize{96, 64};
  constexpr std::ptrdiff_t kBytes = kSize.width * kSize.height * 3;
  try {
    auto source = deepsport::open_file(argv[1]).value();
    auto video = deepsport::Video::open(source, {}, deepsport::Deadline::after(60)).value();
    const auto frames = video->window(std::atof(argv[2]), std::atof(argv[3]), std::atoll(argv[4]));

    std::vector<std::uint8_t> rgb(frames.size() * kBytes);
    video->rgb(frames, kSize, {}, rgb.data()).value();

    auto pixel = rgb.cbegin();
    for (const std::int64_t frame : frames) {
      const double sum = std::accumulate(pixel, pixel + kBytes, 0.0);
      const double second = video->index().seconds(video->index().pts[frame]);
      std::printf("frame %lld at %.3f s: mean %.1f\n", static_cast<long long>(frame), second,
                  sum / kBytes);
      pixel += kBytes;
    }
  } catch (const deepsport::Error& error) {
    return std::fprintf(stderr, "%s: %s\n", deepsport::errc_name(error.code()), error.what()), 1;
  }
}
