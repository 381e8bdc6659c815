// The file of a segment: made whole or not at all, checked before it is believed, gone with its
// last user. Two kinds of kernel locks, which no kill can leave behind: flock (shared) on the file
// says "in use"; a lock of the open file on one byte beyond its end says "this member is alive".
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "cache/tables.hpp"

namespace deepsport::cache {

class Segment {
 public:
  /// @throws Error kInvalidArgument, kLimit, kIo.
  Segment(const std::string& path, std::uint64_t bytes);
  ~Segment();

  Tables& tables() noexcept {
    return tables_;
  }
  const std::string& path() const noexcept {
    return path_;
  }
  std::uint32_t member() const noexcept {
    return member_;
  }
  std::uint32_t member_generation() const noexcept {
    return member_generation_;
  }
  /// With the lock held: become a member, again in a forked child. False: no more room for members,
  /// or the file is gone.
  bool join();
  /// In a child, right after fork(): let go of what belongs to the parent. Only async-signal-safe
  /// calls.
  void forget_after_fork() noexcept;
  /// With the lock held: is the process that had this membership alive?
  bool alive(std::uint32_t member, std::uint32_t generation) const;
  /// With the lock held: put memory behind the first `blocks` blocks. False: the disk is full.
  bool reserve(std::uint32_t blocks);
  std::uint32_t count_members() const;

 private:
  bool open_existing(std::string& problem);
  bool make(std::uint64_t bytes);
  void map(std::uint64_t total);
  bool open_again();

  std::string path_;
  int descriptor_ = -1;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  std::uint8_t* memory_ = nullptr;
  std::uint64_t total_ = 0;
  std::uint64_t reserved_ = 0;
  Tables tables_;
  std::uint32_t member_ = kNone, member_generation_ = 0;
};

}  // namespace deepsport::cache
