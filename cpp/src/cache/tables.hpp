// The tables of a segment: which frame lies in which blocks. All of it is shared memory that a
// killed process may leave half changed, so only `entries` and `next_block` are believed after
// that, and everything else is made from them again. Every number read is checked before it is
// used.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "deepsport/cache.hpp"

namespace deepsport::cache {

inline constexpr std::uint32_t kNone = UINT32_MAX;
inline constexpr std::uint32_t kMembers = 1024;  // processes attached at once
inline constexpr std::uint32_t kBlockBytes = 8192;

enum class EntryState : std::uint32_t { kEmpty = 0, kClaimed = 1, kWriting = 2, kReady = 3 };

struct Entry {
  std::atomic<std::uint64_t> generation;  // changes whenever the entry stops meaning what it meant
  FrameKey key;
  std::uint8_t digest[16];
  std::uint64_t bytes;
  std::uint64_t used_at;  // tick of the latest use
  EntryState state;
  std::uint32_t member, member_generation;  // who claims or writes
  std::uint32_t first_block, block_count;
  std::uint32_t hash_next, newer, older;  // derived
  std::uint32_t status;
};

struct Header {
  char magic[8];
  std::uint32_t version, entry_bytes;
  std::uint32_t block_count, entry_count, bucket_count, reserved;
  std::uint64_t entries_at, buckets_at, next_block_at, data_at, total_bytes;
  pthread_mutex_t mutex;
  std::uint32_t change;  // a futex: counts what waiters may want to know
  std::uint64_t serial;  // next generation
  std::uint64_t tick;
  std::uint32_t blocks_begun;  // those from here on were never used: their memory is not there yet
  // Derived.
  std::uint32_t free_entry, free_block, newest, oldest, used_blocks, ready_count;
  // Counts; the only fields changed without the lock.
  std::atomic<std::uint64_t> hits, misses, waits, evictions, recoveries, rejected, bypassed;
  std::uint32_t member_generation[kMembers];
};

/// Views of a mapped segment. Call everything with the segment's lock held.
struct Tables {
  Header* header = nullptr;
  Entry* entries = nullptr;
  std::uint32_t* buckets = nullptr;
  std::uint32_t* next_block = nullptr;
  std::uint8_t* data = nullptr;

  // Copied from the header once, when it was checked: the header may be scribbled over.
  std::uint32_t block_count = 0, entry_count = 0, bucket_count = 0;

  /// Is the process that claims or writes this entry there still?
  using Alive = std::function<bool(const Entry&)>;
  /// Make sure that blocks up to `count` have memory behind them.
  using Reserve = std::function<bool(std::uint32_t count)>;

  /// Sizes of a segment of so many bytes; false when it is too small to hold anything.
  static bool plan(std::uint64_t bytes, Header& header);
  /// View a mapped segment whose header has been checked.
  static Tables over(std::uint8_t* memory);
  void initialise();

  std::uint32_t find(const FrameKey& key) const;
  /// An entry for a key that has none, least recently used ones going if need be; kNone: no room.
  std::uint32_t claim(const FrameKey& key, std::uint32_t member, std::uint32_t member_generation);
  /// Give a claimed entry its blocks and let it be written.
  bool begin_writing(std::uint32_t index, std::uint64_t bytes, const Reserve& reserve);
  void finish_writing(std::uint32_t index, const std::uint8_t* digest, FrameStatus status);
  void touch(std::uint32_t index);
  /// Forget an entry and free its blocks.
  void discard(std::uint32_t index);
  /// Make the derived tables again, dropping what is broken or was left by the dead.
  void rebuild(const Alive& alive);
  std::string audit() const;
  /// Walk the blocks of an entry; false when the chain is not what the entry says.
  bool walk(const Entry& entry, const std::function<bool(std::uint32_t block)>& visit) const;

 private:
  std::uint32_t& bucket_of(const FrameKey& key) const;
  void link_newest(std::uint32_t index);
  void unlink(std::uint32_t index);
  bool evict_oldest();
};

}  // namespace deepsport::cache
