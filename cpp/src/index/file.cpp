// Index files on disk: found by the video's key, written beside and renamed into place.
#include "index/file.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>

#include "index/checksum.hpp"

namespace deepsport {

namespace fs = std::filesystem;

namespace {

// Folders are named by two digits of the key: 256 of them, of a gigabyte together.
constexpr std::uintmax_t kMostOfFolder = std::uintmax_t{4} << 20;
constexpr std::size_t kMostOfFile = std::size_t{64} << 20;  // of 1.2 million frames
constexpr auto kAbandoned = std::chrono::hours(1);

// Make room: the oldest go, and what writers that were killed have left behind.
void prune(const fs::path& folder, const fs::path& newest) {
  struct Kept {
    fs::path path;
    fs::file_time_type written;
    std::uintmax_t bytes;
  };
  std::vector<Kept> all;
  std::uintmax_t bytes = 0;
  std::error_code gone;  // others prune as well
  for (const auto& entry : fs::directory_iterator(folder, gone)) {
    const auto written = entry.last_write_time(gone);
    if (gone) continue;
    const auto size = entry.file_size(gone);
    if (gone) continue;
    if (entry.path().extension() == ".partial") {
      if (fs::file_time_type::clock::now() - written > kAbandoned) fs::remove(entry.path(), gone);
    } else if (entry.path().extension() == ".dsx") {
      bytes += size;
      if (entry.path() != newest) all.push_back({entry.path(), written, size});
    }
  }
  if (bytes <= kMostOfFolder) return;
  std::sort(all.begin(), all.end(),
            [](const Kept& a, const Kept& b) { return a.written < b.written; });
  for (const Kept& one : all) {
    if (bytes <= kMostOfFolder) return;
    if (fs::remove(one.path, gone)) bytes -= one.bytes;
  }
}

}  // namespace

std::string content_key(const Source& source) {
  constexpr std::size_t kSizeBytes = 8, kPartBytes = std::size_t{1} << 14;
  const std::uint64_t size = source.size();
  std::vector<std::uint8_t> bytes(kSizeBytes + kPartBytes);
  for (std::size_t i = 0; i < kSizeBytes; ++i) bytes[i] = static_cast<std::uint8_t>(size >> 8 * i);
  std::string key;
  for (const std::uint64_t at : {std::uint64_t{0}, size > kPartBytes ? size - kPartBytes : 0}) {
    const std::size_t got = source.read_at(at, bytes.data() + kSizeBytes, kPartBytes);
    const std::uint64_t hash = checksum64(bytes.data(), kSizeBytes + got);
    for (int i = 60; i >= 0; i -= 4) key += "0123456789abcdef"[hash >> i & 15];
  }
  return key;
}

std::string index_path(const std::string& folder, const std::string& key) {
  return (fs::path(folder) / key.substr(0, 2) / (key + ".dsx")).string();
}

std::optional<FrameIndex> load_index(const std::string& path, const std::string& key,
                                     std::int64_t modified_ns, std::string& why) {
  why.clear();
  // Read, not mapped: whoever cuts a mapped file kills its readers, and all of it is read anyway.
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return std::nullopt;
  const std::streamoff size = file.tellg();
  constexpr std::streamoff kMost = std::streamoff{1} << 30;  // of 16 million packets
  if (size < 0 || size > kMost) {                            // a folder claims to be very long
    why = "it is no index file";
    return std::nullopt;
  }
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(file.gcount()));  // it may have been replaced meanwhile
  return from_bytes(bytes, key, modified_ns, why);
}

bool save_index(const FrameIndex& index, const std::string& key, std::int64_t modified_ns,
                const std::string& path) noexcept {
  static std::atomic<unsigned> counter{0};
  try {
    const auto bytes = to_bytes(index, key, modified_ns);
    if (bytes.size() > kMostOfFile) return true;  // nothing is wrong; it is only not kept
    std::error_code refused;
    fs::create_directories(fs::path(path).parent_path(), refused);
    const std::string partial =
        path + "." + std::to_string(::getpid()) + "." + std::to_string(counter++) + ".partial";
    {
      std::ofstream file(partial, std::ios::binary | std::ios::trunc);
      file.write(reinterpret_cast<const char*>(bytes.data()),
                 static_cast<std::streamsize>(bytes.size()));
      file.flush();
      if (!file) {
        fs::remove(partial, refused);
        return false;
      }
    }
    fs::rename(partial, path, refused);
    if (!refused) {
      prune(fs::path(path).parent_path(), path);
      return true;
    }
    fs::remove(partial, refused);
  } catch (...) {  // an index that is not kept is only made again
  }
  return false;
}

}  // namespace deepsport
