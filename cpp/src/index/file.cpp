// Index files on disk: found by signature, written beside and renamed into place.
#include "index/file.hpp"

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>

namespace deepsport {

namespace fs = std::filesystem;

std::string index_path(const std::string& folder, const std::string& signature) {
  return (fs::path(folder) / signature.substr(0, 2) / (signature + ".dsx")).string();
}

std::optional<FrameIndex> load_index(const std::string& path, const std::string& signature,
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
  return from_bytes(bytes, signature, modified_ns, why);
}

bool save_index(const FrameIndex& index, std::int64_t modified_ns,
                const std::string& path) noexcept {
  static std::atomic<unsigned> counter{0};
  try {
    const auto bytes = to_bytes(index, modified_ns);
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
    if (!refused) return true;
    fs::remove(partial, refused);
  } catch (...) {  // an index that is not kept is only made again
  }
  return false;
}

}  // namespace deepsport
