#include "cache/segment.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace deepsport::cache {
namespace {

constexpr char kMagic[8] = {'d', 's', 'f', 'r', 'a', 'm', 'e', 's'};
constexpr std::uint32_t kVersion = 1;
constexpr off_t kMemberByte = off_t{1} << 40;
constexpr std::uint64_t kReserveStep = std::uint64_t{1} << 22;
constexpr int kTries = 200;

[[noreturn]] void fail(Errc code, const std::string& doing, const std::string& path) {
  throw Error(code, doing + " the frame cache " + path + ": " + std::strerror(errno) +
                        "; valid is a path in a folder that can be written, such as /dev/shm");
}

bool same_file(int descriptor, const std::string& path) {
  struct stat open_one{}, named{};
  return ::fstat(descriptor, &open_one) == 0 && ::stat(path.c_str(), &named) == 0 &&
         open_one.st_ino == named.st_ino && open_one.st_dev == named.st_dev;
}

// Memory for a range of the file now, so that touching it later cannot fail with a signal.
bool allocate(int descriptor, std::uint64_t from, std::uint64_t to) {
  if (to <= from) return true;
  int code = 0;
  do {
    code = ::fallocate(descriptor, 0, static_cast<off_t>(from), static_cast<off_t>(to - from));
  } while (code != 0 && errno == EINTR);
  return code == 0 || errno == EOPNOTSUPP;
}

struct flock byte_of(std::uint32_t member, short type) {
  struct flock range{};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = kMemberByte + member;
  range.l_len = 1;
  return range;
}

// Nobody has it: `descriptor` got the exclusive lock. Remove the name unless it is another's by
// now.
bool remove_if_unused(int descriptor, const std::string& path) {
  return ::flock(descriptor, LOCK_EX | LOCK_NB) == 0 && same_file(descriptor, path) &&
         ::unlink(path.c_str()) == 0;
}

void start_mutex(pthread_mutex_t& mutex) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
}

}  // namespace

Segment::Segment(const std::string& path, std::uint64_t bytes) : path_(path) {
  std::string problem;
  for (int tries = 0; tries < kTries; ++tries) {
    if (open_existing(problem) || make(bytes)) return;
    if (!problem.empty()) {
      throw Error(Errc::kInvalidArgument, "attaching to the frame cache " + path + ": " + problem +
                                              "; valid is a path where there is none, or one made "
                                              "by this version for this user");
    }
    ::usleep(5000);  // another process is making or removing it
  }
  errno = EBUSY;
  fail(Errc::kIo, "attaching to", path);
}

bool Segment::open_existing(std::string& problem) {
  const int descriptor = ::open(path_.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor < 0) {
    if (errno == ENOENT) return false;
    fail(Errc::kIo, "opening", path_);
  }
  struct stat facts{};
  Header header;
  const auto reject = [&](const char* why) {
    problem = why;
    ::close(descriptor);
    return false;
  };
  if (::fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) return reject("not a file");
  if (facts.st_uid != ::geteuid()) return reject("it belongs to another user");
  const bool readable = facts.st_size >= static_cast<off_t>(sizeof(Header)) &&
                        ::pread(descriptor, &header, sizeof(Header), 0) == sizeof(Header);
  if (!readable || std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) {
    return reject("another kind of file");
  }
  if (remove_if_unused(descriptor, path_)) {  // left behind: what it holds is not worth a check
    ::close(descriptor);
    return false;
  }
  if (::flock(descriptor, LOCK_SH | LOCK_NB) != 0 || !same_file(descriptor, path_)) {
    ::close(descriptor);
    return false;
  }
  Header planned{};
  if (header.version != kVersion ||
      !Tables::plan(static_cast<std::uint64_t>(facts.st_size), planned) ||
      header.entry_bytes != planned.entry_bytes || header.block_count != planned.block_count ||
      header.entry_count != planned.entry_count || header.bucket_count != planned.bucket_count ||
      header.entries_at != planned.entries_at || header.buckets_at != planned.buckets_at ||
      header.next_block_at != planned.next_block_at || header.data_at != planned.data_at ||
      header.total_bytes != static_cast<std::uint64_t>(facts.st_size)) {
    return reject("made by another version");
  }
  descriptor_ = descriptor;
  map(header.total_bytes);
  return true;
}

bool Segment::make(std::uint64_t bytes) {
  Header planned{};
  if (!Tables::plan(bytes, planned)) {
    throw Error(Errc::kInvalidArgument, "making the frame cache " + path_ + " of " +
                                            std::to_string(bytes) +
                                            " bytes: too small; valid are 1 MiB and more");
  }
  // The size planned for the file must plan the same again, for those who attach later.
  Header again{};
  while (!Tables::plan(planned.total_bytes, again) || again.block_count != planned.block_count) {
    planned.total_bytes += 64;
  }
  planned.version = kVersion;
  std::memcpy(planned.magic, kMagic, sizeof kMagic);
  const std::string draft = path_ + ".making-" + std::to_string(::getpid());
  ::unlink(draft.c_str());
  const int descriptor = ::open(draft.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) fail(Errc::kIo, "making", path_);
  const auto give_up = [&](Errc code) {
    const int why = errno;
    ::unlink(draft.c_str());
    ::close(descriptor);
    errno = why;
    fail(code, "making", path_);
  };
  struct statvfs room{};
  if (::fstatvfs(descriptor, &room) == 0 &&
      std::uint64_t{room.f_bavail} * room.f_frsize < planned.total_bytes) {
    ::unlink(draft.c_str());
    ::close(descriptor);
    throw Error(Errc::kLimit,
                "making the frame cache " + path_ + " of " + std::to_string(bytes) +
                    " bytes: its file system has " +
                    std::to_string(std::uint64_t{room.f_bavail} * room.f_frsize) +
                    " free; valid is less, another folder, or more room (docker: --shm-size)");
  }
  if (::flock(descriptor, LOCK_SH | LOCK_NB) != 0 ||
      ::ftruncate(descriptor, static_cast<off_t>(planned.total_bytes)) != 0) {
    give_up(Errc::kIo);
  }
  if (!allocate(descriptor, 0, planned.data_at)) give_up(Errc::kLimit);
  if (::pwrite(descriptor, &planned, sizeof planned, 0) != sizeof planned) give_up(Errc::kIo);
  descriptor_ = descriptor;
  map(planned.total_bytes);
  start_mutex(tables_.header->mutex);
  tables_.initialise();
  // Under its name only now: nobody ever sees a half-made one.
  const int linked = ::link(draft.c_str(), path_.c_str());
  const int why = errno;
  ::unlink(draft.c_str());
  if (linked == 0) return true;
  ::munmap(memory_, total_);
  ::close(descriptor_);  // not unused by name: the name belongs to another
  memory_ = nullptr;
  descriptor_ = -1;
  errno = why;
  if (why != EEXIST) fail(Errc::kIo, "naming", path_);
  return false;
}

void Segment::map(std::uint64_t total) {
  void* memory = ::mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0);
  if (memory == MAP_FAILED) {
    const int why = errno;
    ::close(descriptor_);
    descriptor_ = -1;
    errno = why;
    fail(Errc::kLimit, "mapping", path_);
  }
  memory_ = static_cast<std::uint8_t*>(memory);
  total_ = total;
  struct stat facts{};
  ::fstat(descriptor_, &facts);
  device_ = facts.st_dev;
  inode_ = facts.st_ino;
  tables_ = Tables::over(memory_);
}

Segment::~Segment() {
  if (memory_ != nullptr) ::munmap(memory_, total_);
  if (descriptor_ < 0) return;
  remove_if_unused(descriptor_, path_);
  ::close(descriptor_);
}

void Segment::forget_after_fork() noexcept {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
  member_ = kNone;
  reserved_ = 0;
}

// By the same name, if it still names the same file: otherwise those who come now use another one.
bool Segment::open_again() {
  const int own = ::open(path_.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (own < 0) return false;
  struct stat facts{};
  if (::flock(own, LOCK_SH | LOCK_NB) != 0 || ::fstat(own, &facts) != 0 ||
      facts.st_dev != device_ || facts.st_ino != inode_ || !same_file(own, path_)) {
    ::close(own);
    return false;
  }
  descriptor_ = own;
  return true;
}

bool Segment::join() {
  if (descriptor_ < 0 && !open_again()) return false;
  if (member_ != kNone) return true;
  Header& header = *tables_.header;
  for (std::uint32_t member = 0; member < kMembers; ++member) {
    struct flock wanted = byte_of(member, F_WRLCK);
    if (::fcntl(descriptor_, F_OFD_SETLK, &wanted) != 0) continue;
    member_ = member;
    member_generation_ = ++header.member_generation[member];
    return true;
  }
  return false;
}

bool Segment::alive(std::uint32_t member, std::uint32_t generation) const {
  if (member >= kMembers || tables_.header->member_generation[member] != generation) return false;
  if (member == member_) return true;
  struct flock asked = byte_of(member, F_WRLCK);
  return ::fcntl(descriptor_, F_OFD_GETLK, &asked) == 0 && asked.l_type != F_UNLCK;
}

std::uint32_t Segment::count_members() const {
  std::uint32_t count = 0;
  for (std::uint32_t member = 0; member < kMembers; ++member) {
    if (tables_.header->member_generation[member] == 0) break;  // numbers are given out in order
    if (alive(member, tables_.header->member_generation[member])) ++count;
  }
  return count;
}

bool Segment::reserve(std::uint32_t blocks) {
  const std::uint64_t data_at = static_cast<std::uint64_t>(tables_.data - memory_);
  const std::uint64_t wanted = data_at + std::uint64_t{blocks} * kBlockBytes;
  if (wanted <= reserved_) return true;
  const std::uint64_t to = std::min(total_, wanted + kReserveStep);
  const std::uint64_t from = std::max(reserved_, wanted - kBlockBytes);
  if (allocate(descriptor_, from, to)) {
    reserved_ = to;
    return true;
  }
  if (!allocate(descriptor_, from, wanted)) return false;
  reserved_ = wanted;
  return true;
}

}  // namespace deepsport::cache

namespace deepsport {

Result<std::vector<SegmentFile>> cache_segments(const std::string& folder, bool remove) {
  DIR* listing = ::opendir(folder.c_str());
  if (listing == nullptr) {
    return Error(Errc::kIo, "looking for frame caches in " + folder + ": " + std::strerror(errno) +
                                "; valid is a folder that can be read");
  }
  std::vector<SegmentFile> found;
  while (const dirent* entry = ::readdir(listing)) {
    if (std::strncmp(entry->d_name, kSegmentPrefix, std::strlen(kSegmentPrefix)) != 0) continue;
    SegmentFile file;
    file.path = folder + "/" + entry->d_name;
    const int descriptor = ::open(file.path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (descriptor < 0) continue;
    struct stat facts{};
    if (::fstat(descriptor, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_uid == ::geteuid()) {
      file.bytes = static_cast<std::uint64_t>(facts.st_blocks) * 512;
      const bool unused = ::flock(descriptor, LOCK_EX | LOCK_NB) == 0;
      file.in_use = !unused;
      if (unused && remove && cache::same_file(descriptor, file.path)) {
        ::unlink(file.path.c_str());
      }
      found.push_back(file);
    }
    ::close(descriptor);
  }
  ::closedir(listing);
  std::sort(found.begin(), found.end(),
            [](const SegmentFile& a, const SegmentFile& b) { return a.path < b.path; });
  return found;
}

}  // namespace deepsport
