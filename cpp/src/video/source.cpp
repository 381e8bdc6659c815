// The three kinds of Source and the signature of their content.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <limits>
#include <mutex>

#include "deepsport/video.hpp"

extern "C" {
#include <libavutil/log.h>
#include <libavutil/mem.h>
#include <libavutil/sha.h>
}

namespace deepsport {
namespace {

class FileSource final : public Source {
 public:
  FileSource(std::string path, int descriptor, const struct stat& facts)
      : Source(std::move(path)),
        descriptor_(descriptor),
        size_(static_cast<std::uint64_t>(facts.st_size)),
        modified_ns_(std::int64_t{facts.st_mtim.tv_sec} * 1000000000 + facts.st_mtim.tv_nsec) {}
  ~FileSource() override {
    ::close(descriptor_);
  }
  std::uint64_t size() const noexcept override {
    return size_;
  }
  std::int64_t modified_ns() const noexcept override {
    return modified_ns_;
  }
  std::size_t read_at(std::uint64_t offset, void* into, std::size_t count) const override {
    std::size_t done = 0;
    while (done < count && offset + done < size_) {
      const ssize_t got = ::pread(descriptor_, static_cast<char*>(into) + done, count - done,
                                  static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) {
        throw Error(Errc::kIo, "reading " + std::to_string(count) + " bytes at " +
                                   std::to_string(offset) + " of " + name() + ": " +
                                   std::strerror(errno));
      }
      if (got == 0) break;  // the file shrank
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

 private:
  int descriptor_;
  std::uint64_t size_;
  std::int64_t modified_ns_;
};

class MemorySource final : public Source {
 public:
  MemorySource(std::shared_ptr<const void> owner, const void* data, std::size_t size,
               std::string name)
      : Source(std::move(name)),
        owner_(std::move(owner)),
        data_(static_cast<const char*>(data)),
        size_(size) {}
  std::uint64_t size() const noexcept override {
    return size_;
  }
  std::size_t read_at(std::uint64_t offset, void* into, std::size_t count) const override {
    if (offset >= size_) return 0;
    count = std::min(count, size_ - static_cast<std::size_t>(offset));
    std::memcpy(into, data_ + offset, count);
    return count;
  }

 private:
  std::shared_ptr<const void> owner_;
  const char* data_;
  std::size_t size_;
};

class ReaderSource final : public Source {
 public:
  ReaderSource(ReadAt read, std::uint64_t size, std::string name, AfterFork after_fork)
      : Source(std::move(name)),
        read_(std::move(read)),
        size_(size),
        after_fork_(after_fork),
        turn_(new Turn) {}
  ~ReaderSource() override {
    delete turn_.load();
  }
  std::uint64_t size() const noexcept override {
    return size_;
  }
  std::size_t read_at(std::uint64_t offset, void* into, std::size_t count) const override {
    if (offset >= size_) return 0;
    count = static_cast<std::size_t>(std::min<std::uint64_t>(count, size_ - offset));
    const std::lock_guard<std::mutex> one_at_a_time(turn());
    return read_(offset, into, count);
  }

 private:
  struct Turn {
    pid_t process = ::getpid();
    std::mutex mutex;
  };
  // A child of fork() gets a mutex of its own: the parent's may have been held by a thread that the
  // child does not have. For the same reason the old one is left, not deleted.
  std::mutex& turn() const {
    Turn* turn = turn_.load();
    if (turn->process == ::getpid()) return turn->mutex;
    if (after_fork_ == AfterFork::kRefused) {
      throw Error(Errc::kForked, "reading " + name() +
                                     ": it was opened before fork() from a file object, whose "
                                     "place in the file parent and child share; valid are a path, "
                                     "bytes, or opening it again in the child");
    }
    auto fresh = std::make_unique<Turn>();
    if (turn_.compare_exchange_strong(turn, fresh.get())) turn = fresh.release();
    return turn->mutex;
  }

  ReadAt read_;
  std::uint64_t size_;
  AfterFork after_fork_;
  mutable std::atomic<Turn*> turn_;
};

constexpr std::size_t kSignatureBytes = std::size_t{1} << 14;

}  // namespace

Result<std::shared_ptr<Source>> open_file(const std::string& path) {
  // O_NONBLOCK: opening a pipe must not wait for a writer; regular files ignore it.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    const Errc code = errno == ENOENT || errno == ENOTDIR ? Errc::kNotFound : Errc::kIo;
    return Error(code, "opening " + path + ": " + std::strerror(errno) +
                           "; valid is the path of a readable video file");
  }
  return open_descriptor(descriptor, path);
}

Result<std::shared_ptr<Source>> open_descriptor(int descriptor, const std::string& path) {
  struct stat facts{};
  if (::fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    ::close(descriptor);
    return Error(Errc::kNotVideo,
                 "opening " + path + ": not a regular file; valid is the path of a video file");
  }
  if (facts.st_size == 0) {
    ::close(descriptor);
    return Error(Errc::kNotVideo,
                 "opening " + path + ": the file is empty; valid is a file with a video stream");
  }
  return std::shared_ptr<Source>(std::make_shared<FileSource>(path, descriptor, facts));
}

std::shared_ptr<Source> open_memory(std::shared_ptr<const void> owner, const void* data,
                                    std::size_t size, std::string name) {
  return std::make_shared<MemorySource>(std::move(owner), data, size, std::move(name));
}

std::shared_ptr<Source> open_reader(ReadAt read, std::uint64_t size, std::string name,
                                    AfterFork after_fork) {
  return std::make_shared<ReaderSource>(std::move(read), size, std::move(name), after_fork);
}

Result<std::string> content_signature(const Source& source) {
  try {
    const std::unique_ptr<AVSHA, decltype(&av_free)> sha(av_sha_alloc(), av_free);
    if (!sha) throw std::bad_alloc();
    av_sha_init(sha.get(), 256);
    std::uint8_t size[8];
    for (int i = 0; i < 8; ++i) size[i] = static_cast<std::uint8_t>(source.size() >> (8 * i));
    av_sha_update(sha.get(), size, sizeof size);
    std::vector<std::uint8_t> bytes(kSignatureBytes);
    const std::uint64_t tail =
        source.size() > kSignatureBytes ? source.size() - kSignatureBytes : 0;
    for (const std::uint64_t offset : {std::uint64_t{0}, tail}) {
      const std::size_t got = source.read_at(offset, bytes.data(), bytes.size());
      av_sha_update(sha.get(), bytes.data(), got);
    }
    std::uint8_t digest[32];
    av_sha_final(sha.get(), digest);
    std::string text;
    for (int i = 0; i < 16; ++i) {  // 128 bits are plenty against accident
      text += "0123456789abcdef"[digest[i] >> 4];
      text += "0123456789abcdef"[digest[i] & 15];
    }
    return text;
  } catch (const Error& error) {
    return error;
  }
}

void quiet_ffmpeg() noexcept {
  if (av_log_get_level() == AV_LOG_INFO) av_log_set_level(AV_LOG_QUIET);  // a set level is a wish
}

}  // namespace deepsport
