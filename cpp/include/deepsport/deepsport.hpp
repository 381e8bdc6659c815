// Everything of the C++ core in one header.
//
//   auto source = deepsport::open_file("rally.mp4").value();
//   auto video = deepsport::Video::open(source, {}, deepsport::Deadline::after(60)).value();
//   const auto frames = video->window(2.0, 4.0, 8);                 // 8 frames of [2 s, 4 s)
//   std::vector<std::uint8_t> rgb(frames.size() * 640 * 360 * 3);
//   video->rgb(frames, {640, 360}, {}, rgb.data()).value();
//
// `value()` throws deepsport::Error; test the Result itself to go without exceptions.
#pragma once

#include "deepsport/cache.hpp"
#include "deepsport/error.hpp"
#include "deepsport/frames.hpp"
#include "deepsport/index.hpp"
#include "deepsport/isolation.hpp"
#include "deepsport/protocol.hpp"
#include "deepsport/time.hpp"
#include "deepsport/version.hpp"
#include "deepsport/video.hpp"
