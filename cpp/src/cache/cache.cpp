// The calls: each takes the lock for moments, pixels are copied without it.
#include "deepsport/cache.hpp"

#include <linux/futex.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <ctime>
#include <mutex>
#include <unordered_map>

#include "cache/segment.hpp"

extern "C" {
#include <libavutil/mem.h>
#include <libavutil/murmur3.h>
}

namespace deepsport {

using cache::Entry;
using cache::EntryState;
using cache::kBlockBytes;
using cache::kNone;

namespace {

constexpr int kLockSeconds = 2;  // longer than any of our sections, unless its owner was stopped
constexpr int kGoWithoutSeconds = 10;      // after that, before the lock is tried again
constexpr long kLookAgainNs = 50'000'000;  // the dead wake nobody

using Digest = std::array<std::uint8_t, 16>;

Digest digest_of(const FrameKey& key, FrameStatus status, const std::uint8_t* pixels) {
  struct Free {
    void operator()(AVMurMur3* state) const {
      av_free(state);
    }
  };
  const std::unique_ptr<AVMurMur3, Free> state(av_murmur3_alloc());
  if (!state) throw std::bad_alloc();
  av_murmur3_init_seeded(state.get(), 0x66726d65 + static_cast<std::uint64_t>(status));
  av_murmur3_update(state.get(), key.video.data(), key.video.size());
  const std::int64_t place[3] = {key.frame, key.width, key.height};
  av_murmur3_update(state.get(), reinterpret_cast<const std::uint8_t*>(place), sizeof place);
  av_murmur3_update(state.get(), pixels, key.bytes());
  Digest digest;
  av_murmur3_final(state.get(), digest.data());
  return digest;
}

// Others may be writing where we read, when a frame goes while it is copied: that is found out
// afterwards, but the copy itself must be free of data races.
void read_block(std::uint8_t* to, const std::uint8_t* from, std::size_t count) {
  const auto* words = reinterpret_cast<const std::uint64_t*>(from);
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const std::uint64_t word = __atomic_load_n(words++, __ATOMIC_RELAXED);
    std::memcpy(to + i, &word, 8);
  }
  if (i < count) {
    const std::uint64_t word = __atomic_load_n(words, __ATOMIC_RELAXED);
    std::memcpy(to + i, &word, count - i);
  }
}

void write_block(std::uint8_t* to, const std::uint8_t* from, std::size_t count) {
  auto* words = reinterpret_cast<std::uint64_t*>(to);
  std::uint64_t word = 0;
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    std::memcpy(&word, from + i, 8);
    __atomic_store_n(words++, word, __ATOMIC_RELAXED);
  }
  if (i < count) {
    word = 0;
    std::memcpy(&word, from + i, count - i);
    __atomic_store_n(words, word, __ATOMIC_RELAXED);
  }
}

void count(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) {
  counter.fetch_add(by, std::memory_order_relaxed);
}

void check_keys(const std::vector<FrameKey>& keys) {
  for (const FrameKey& key : keys) {
    if (key.width < 1 || key.height < 1) {
      throw Error(Errc::kInvalidArgument, "a frame of " + std::to_string(key.width) + " x " +
                                              std::to_string(key.height) +
                                              " in the frame cache; valid are positive sizes");
    }
  }
}

}  // namespace

struct FrameCache::State {
  cache::Segment segment;
  std::atomic<std::int64_t> go_without_until{0};  // seconds of the monotonic clock

  State(const std::string& path, std::uint64_t bytes) : segment(path, bytes) {}
  cache::Tables& tables() noexcept {
    return segment.tables();
  }

  // The segment's lock, when it could be had and this process is a member.
  class Lock {
   public:
    explicit Lock(State& state) : state_(state) {
      timespec now{};
      ::clock_gettime(CLOCK_MONOTONIC, &now);
      cache::Header& header = *state.tables().header;
      if (now.tv_sec >= state.go_without_until.load(std::memory_order_relaxed)) {
        timespec until{};
        ::clock_gettime(CLOCK_REALTIME, &until);  // what pthread_mutex_timedlock goes by
        until.tv_sec += kLockSeconds;
        const int code = ::pthread_mutex_timedlock(&header.mutex, &until);
        locked_ = code == 0 || code == EOWNERDEAD;
        if (locked_) held_ = state.segment.join();
        if (code == EOWNERDEAD) repair();
        if (!locked_) state.go_without_until = now.tv_sec + kGoWithoutSeconds;
      }
      if (!held_) count(header.bypassed);
    }
    ~Lock() {
      if (locked_) ::pthread_mutex_unlock(&state_.tables().header->mutex);
    }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    explicit operator bool() const noexcept {
      return held_;
    }

   private:
    // Its owner died in the middle. Only when all is well again is the lock declared sound: who
    // dies here leaves the same task to the next.
    void repair() {
      cache::Header& header = *state_.tables().header;
      state_.tables().rebuild([this](const Entry& entry) { return state_.alive(entry); });
      count(header.recoveries);
      ::pthread_mutex_consistent(&header.mutex);
    }

    State& state_;
    bool locked_ = false, held_ = false;
  };

  bool alive(const Entry& entry) const {
    return segment.alive(entry.member, entry.member_generation);
  }
  bool is_mine(const Entry& entry) const {
    return entry.member == segment.member() &&
           entry.member_generation == segment.member_generation();
  }
  // Is it there, or coming? What the dead left is removed.
  std::uint32_t find(const FrameKey& key) {
    const std::uint32_t index = tables().find(key);
    if (index == kNone) return kNone;
    Entry& entry = tables().entries[index];
    if (entry.state == EntryState::kReady && entry.bytes == key.bytes()) return index;
    if (entry.state != EntryState::kReady && alive(entry)) return index;
    if (entry.state != EntryState::kReady) count(tables().header->recoveries);
    tables().discard(index);
    return kNone;
  }
  void wake() {
    std::uint32_t* change = &tables().header->change;
    __atomic_fetch_add(change, 1, __ATOMIC_RELEASE);
    ::syscall(SYS_futex, change, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
  }
};

namespace {

// One object per path in this process. In a child of fork() each lets go of the parent's file.
struct Registry {
  std::mutex mutex;
  std::unordered_map<std::string, std::weak_ptr<FrameCache>> attached;
  std::unordered_map<const void*, cache::Segment*> segments;

  static Registry& get() {
    static auto* registry = new Registry;  // never destroyed: fork handlers outlive statics
    return *registry;
  }

 private:
  Registry() {
    ::pthread_atfork([] { get().mutex.lock(); }, [] { get().mutex.unlock(); },
                     [] {
                       for (const auto& one : get().segments) one.second->forget_after_fork();
                       get().mutex.unlock();
                     });
  }
};

}  // namespace

FrameCache::FrameCache(std::unique_ptr<State> state) : state_(std::move(state)) {}

FrameCache::~FrameCache() {
  Registry& registry = Registry::get();
  const std::lock_guard<std::mutex> guard(registry.mutex);
  registry.segments.erase(this);
}

Result<std::shared_ptr<FrameCache>> FrameCache::attach(const std::string& path,
                                                       std::uint64_t bytes) {
  try {
    Registry& registry = Registry::get();
    std::shared_ptr<FrameCache> found;
    const std::lock_guard<std::mutex> guard(registry.mutex);
    auto& known = registry.attached[path];
    found = known.lock();
    if (found) return found;
    found.reset(new FrameCache(std::make_unique<State>(path, bytes)));
    registry.segments[found.get()] = &found->state_->segment;
    known = found;
    return found;
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return Error(Errc::kLimit, "attaching to the frame cache " + path + ": out of memory");
  }
}

const std::string& FrameCache::path() const noexcept {
  return state_->segment.path();
}

std::vector<Taken> FrameCache::take(const std::vector<FrameKey>& keys, std::uint8_t* out,
                                    FrameStatus* status, bool claim) {
  check_keys(keys);
  struct Copy {
    std::size_t which;
    std::uint32_t index;
    std::uint64_t generation;
    Digest digest;
    FrameStatus status;
    std::vector<std::uint32_t> blocks;
    std::uint8_t* to;
  };
  std::vector<Taken> taken(keys.size(), Taken::kAbsent);
  std::vector<Copy> copies;
  copies.reserve(keys.size());
  cache::Tables& tables = state_->tables();
  {
    const State::Lock lock(*state_);
    if (!lock) return taken;
    std::uint8_t* to = out;
    for (std::size_t i = 0; i < keys.size(); to += keys[i].bytes(), ++i) {
      const std::uint32_t index = state_->find(keys[i]);
      if (index == kNone) {
        const bool mine = claim && tables.claim(keys[i], state_->segment.member(),
                                                state_->segment.member_generation()) != kNone;
        if (mine) taken[i] = Taken::kYours;
        continue;
      }
      const Entry& entry = tables.entries[index];
      if (entry.state != EntryState::kReady) {
        taken[i] = Taken::kBusy;
        continue;
      }
      Copy copy{i,
                index,
                entry.generation.load(std::memory_order_relaxed),
                {},
                static_cast<FrameStatus>(entry.status),
                {},
                to};
      std::memcpy(copy.digest.data(), entry.digest, copy.digest.size());
      const std::size_t blocks = (keys[i].bytes() + kBlockBytes - 1) / kBlockBytes;
      const bool sound =
          entry.block_count == blocks && tables.walk(entry, [&](std::uint32_t block) {
            copy.blocks.push_back(block);
            return true;
          });
      if (!sound) {
        tables.discard(index);
        count(tables.header->rejected);
        continue;
      }
      tables.touch(index);
      copies.push_back(std::move(copy));
    }
  }
  std::uint64_t hits = 0;
  for (const Copy& copy : copies) {
    const FrameKey& key = keys[copy.which];
    std::size_t done = 0;
    for (const std::uint32_t block : copy.blocks) {
      const std::size_t part = std::min<std::size_t>(kBlockBytes, key.bytes() - done);
      read_block(copy.to + done, tables.data + std::uint64_t{block} * kBlockBytes, part);
      done += part;
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    const Entry& entry = tables.entries[copy.index];
    if (entry.generation.load(std::memory_order_relaxed) != copy.generation) continue;
    if (digest_of(key, copy.status, copy.to) == copy.digest) {
      taken[copy.which] = Taken::kHit;
      status[copy.which] = copy.status;
      ++hits;
      continue;
    }
    const State::Lock lock(*state_);  // somebody has written where it should not
    if (lock && entry.generation.load(std::memory_order_relaxed) == copy.generation) {
      tables.discard(copy.index);
      count(tables.header->rejected);
    }
  }
  count(tables.header->hits, hits);
  count(tables.header->misses,
        static_cast<std::uint64_t>(std::count(taken.begin(), taken.end(), Taken::kYours) +
                                   std::count(taken.begin(), taken.end(), Taken::kAbsent)));
  return taken;
}

bool FrameCache::publish(const FrameKey& key, const std::uint8_t* pixels, FrameStatus status) {
  check_keys({key});
  const Digest digest = digest_of(key, status, pixels);
  cache::Tables& tables = state_->tables();
  std::uint32_t index = kNone;
  std::uint64_t generation = 0;
  std::vector<std::uint32_t> blocks;
  {
    const State::Lock lock(*state_);
    if (!lock) return false;
    index = tables.find(key);
    if (index == kNone) return false;
    Entry& entry = tables.entries[index];
    if (entry.state != EntryState::kClaimed || !state_->is_mine(entry)) return false;
    const bool room = tables.begin_writing(
        index, key.bytes(), [this](std::uint32_t upto) { return state_->segment.reserve(upto); });
    if (!room || !tables.walk(entry, [&](std::uint32_t block) {
          blocks.push_back(block);
          return true;
        })) {
      tables.discard(index);
      state_->wake();
      return false;
    }
    generation = entry.generation.load(std::memory_order_relaxed);
  }
  std::atomic_thread_fence(std::memory_order_release);
  std::size_t done = 0;
  for (const std::uint32_t block : blocks) {
    const std::size_t part = std::min<std::size_t>(kBlockBytes, key.bytes() - done);
    write_block(tables.data + std::uint64_t{block} * kBlockBytes, pixels + done, part);
    done += part;
  }
  const State::Lock lock(*state_);
  if (!lock) return false;
  Entry& entry = tables.entries[index];
  if (entry.state != EntryState::kWriting || !state_->is_mine(entry) ||
      entry.generation.load(std::memory_order_relaxed) != generation) {
    return false;
  }
  tables.finish_writing(index, digest.data(), status);
  state_->wake();
  return true;
}

void FrameCache::abandon(const std::vector<FrameKey>& keys) {
  const State::Lock lock(*state_);
  if (!lock) return;
  for (const FrameKey& key : keys) {
    const std::uint32_t index = state_->tables().find(key);
    if (index == kNone) continue;
    const Entry& entry = state_->tables().entries[index];
    if (entry.state == EntryState::kClaimed && state_->is_mine(entry)) {
      state_->tables().discard(index);
    }
  }
  state_->wake();
}

bool FrameCache::wait(const std::vector<FrameKey>& keys, double seconds, Deadline deadline) {
  const Deadline patience = Deadline::after(std::max(seconds, 1e-3));
  std::uint32_t* change = &state_->tables().header->change;
  count(state_->tables().header->waits);
  for (;;) {
    std::uint32_t seen = 0;
    {
      const State::Lock lock(*state_);
      if (!lock) return true;
      seen = __atomic_load_n(change, __ATOMIC_ACQUIRE);
      for (const FrameKey& key : keys) {
        const std::uint32_t index = state_->find(key);
        if (index == kNone || state_->tables().entries[index].state == EntryState::kReady) {
          return true;
        }
      }
    }
    deadline.poll("waiting for a frame that another process decodes");
    if (patience.state() != Errc::kOk) return false;
    const timespec slice{0, kLookAgainNs};
    ::syscall(SYS_futex, change, FUTEX_WAIT, seen, &slice, nullptr, 0);
  }
}

CacheFacts FrameCache::facts() {
  CacheFacts facts;
  const cache::Header& header = *state_->tables().header;
  {
    const State::Lock lock(*state_);
    if (lock) facts.processes = state_->segment.count_members();
    facts.used_bytes = std::uint64_t{header.used_blocks} * kBlockBytes;
    facts.frames = header.ready_count;
  }
  facts.capacity_bytes = header.total_bytes;
  facts.hits = header.hits;
  facts.misses = header.misses;
  facts.waits = header.waits;
  facts.evictions = header.evictions;
  facts.recoveries = header.recoveries;
  facts.rejected = header.rejected;
  facts.bypassed = header.bypassed;
  return facts;
}

std::string FrameCache::audit() {
  const State::Lock lock(*state_);
  return lock ? state_->tables().audit() : "the lock is not to be had";
}

}  // namespace deepsport
