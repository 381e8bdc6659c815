// The kept corpora. corpus/open are small videos, made by ffmpeg from a test pattern, one a
// container and codec; the others are what fuzzing found to reach something new.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

/// The files kept for a target, in the order of their names; none is fine.
inline std::vector<std::string> corpus_files(const std::string& target) {
  const auto folder = std::filesystem::path(DEEPSPORT_FUZZ_CORPUS) / target;
  std::vector<std::filesystem::path> paths;
  if (std::filesystem::is_directory(folder)) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> files;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    files.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return files;
}

inline std::vector<std::string> corpus_videos() {
  return corpus_files("open");
}
