// What a file may ask of memory.
#pragma once

#include <cstdint>
#include <string>

#include "deepsport/video.hpp"

namespace deepsport {

/// @throws Error kLimit, naming the file.
void check_picture_size(const std::string& name, std::int64_t width, std::int64_t height,
                        const Limits& limits);
void check_packet_count(const std::string& name, std::size_t packets, const Limits& limits);
void check_packet_size(const std::string& name, std::int64_t bytes, const Limits& limits);

}  // namespace deepsport
