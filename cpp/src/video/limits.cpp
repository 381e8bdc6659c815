#include "video/limits.hpp"

namespace deepsport {

void check_picture_size(const std::string& name, std::int64_t width, std::int64_t height,
                        const Limits& limits) {
  if (width <= 0 || height <= 0 || width <= limits.max_pixels / height) return;
  throw Error(Errc::kLimit, name + ": pictures of " + std::to_string(width) + " x " +
                                std::to_string(height) + " pixels; the limit is " +
                                std::to_string(limits.max_pixels) + " pixels (max_pixels)");
}

void check_packet_count(const std::string& name, std::size_t packets, const Limits& limits) {
  if (packets <= static_cast<std::uint64_t>(limits.max_packets)) return;
  throw Error(Errc::kLimit,
              name + ": more than " + std::to_string(limits.max_packets) +
                  " packets were found; valid is a shorter video, or a higher max_packets");
}

void check_packet_size(const std::string& name, std::int64_t bytes, const Limits& limits) {
  if (bytes <= limits.max_packet_bytes) return;
  throw Error(Errc::kLimit, name + ": a packet of " + std::to_string(bytes) +
                                " bytes; the limit is " + std::to_string(limits.max_packet_bytes) +
                                " bytes (max_packet_bytes)");
}

}  // namespace deepsport
