// What this build of the core stands on, for reports about an installation.
#pragma once

#include <string>
#include <vector>

namespace deepsport {

struct BuildFacts {
  std::string ffmpeg;          ///< version of the FFmpeg that is loaded, e.g. "5.1.9-0+deb12u1"
  std::string ffmpeg_license;  ///< e.g. "GPL version 2 or later"
  std::vector<std::string> decoders;          ///< codecs of sports video it can decode, by name
  std::vector<std::string> missing_decoders;  ///< and those it cannot
  std::vector<std::string> instruction_sets;  ///< of this CPU, of those that matter here
};

BuildFacts build_facts();

}  // namespace deepsport
