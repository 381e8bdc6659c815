// The small videos of corpus/open, made by ffmpeg from a test pattern: one a container and codec.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

inline std::vector<std::string> corpus_videos() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(DEEPSPORT_FUZZ_CORPUS "/open")) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> videos;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    videos.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return videos;
}
