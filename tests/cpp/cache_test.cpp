// The cache of frames between processes: what is kept, who waits for whom, and that a kill -9 at
// any moment, of readers, of writers and of who holds the lock, leaves tables that agree and never
// a wrong pixel.
#include "deepsport/cache.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <thread>

#include "cache/segment.hpp"

namespace deepsport {
namespace {

constexpr std::uint64_t kBytes = std::uint64_t{1} << 20;  // room for some 120 blocks
constexpr int kWidth = 61, kHeight = 67;                  // 12,261 bytes: two blocks

FrameKey key_of(std::int64_t frame, int width = kWidth, int height = kHeight) {
  FrameKey key;
  key.video[0] = 7;
  key.frame = frame;
  key.width = width;
  key.height = height;
  return key;
}

// The only pixels that a key may ever give.
std::vector<std::uint8_t> pixels_of(const FrameKey& key) {
  std::vector<std::uint8_t> pixels(key.bytes());
  std::uint32_t state = static_cast<std::uint32_t>(key.frame) * 2654435761u + 1;
  for (auto& value : pixels) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<std::uint8_t>(state >> 24);
  }
  return pixels;
}

struct Got {
  Taken taken;
  bool right;
};
Got take_one(FrameCache& cache, const FrameKey& key, bool claim = true) {
  std::vector<std::uint8_t> pixels(key.bytes());
  FrameStatus status = FrameStatus::kMissing;
  const Taken taken = cache.take({key}, pixels.data(), &status, claim)[0];
  return {taken, status == FrameStatus::kOk && pixels == pixels_of(key)};
}
bool publish_one(FrameCache& cache, const FrameKey& key) {
  return cache.publish(key, pixels_of(key).data(), FrameStatus::kOk);
}

pid_t in_child(const std::function<void()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    work();
    ::_exit(0);
  }
  return child;
}
int status_of(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) continue;
  return status;
}
[[noreturn]] void die() {
  ::raise(SIGKILL);
  std::abort();
}

class Cache : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/deepsport-cache-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder = name;
    path = folder + "/" + kSegmentPrefix + "test";
  }
  void TearDown() override {
    ::unlink(path.c_str());
    EXPECT_EQ(::rmdir(folder.c_str()), 0) << "something was left in " << folder;
  }
  std::shared_ptr<FrameCache> attach(std::uint64_t bytes = kBytes) {
    return FrameCache::attach(path, bytes).value();
  }
  bool exists() const {
    return ::access(path.c_str(), F_OK) == 0;
  }
  std::string folder, path;
};

TEST_F(Cache, AFrameThatOneProcessDecodedIsAHitForAnother) {
  const auto cache = attach();
  EXPECT_EQ(status_of(in_child([&] {
              if (take_one(*cache, key_of(1)).taken != Taken::kYours) ::_exit(1);
              if (!publish_one(*cache, key_of(1))) ::_exit(2);
            })),
            0);
  const Got got = take_one(*cache, key_of(1));
  EXPECT_EQ(got.taken, Taken::kHit);
  EXPECT_TRUE(got.right);
  EXPECT_EQ(cache->facts().hits, 1u);
  EXPECT_EQ(cache->facts().misses, 1u);
  EXPECT_EQ(cache->facts().frames, 1u);
}

TEST_F(Cache, WhoComesSecondWaitsForTheFirst) {
  const auto cache = attach();
  EXPECT_EQ(take_one(*cache, key_of(1)).taken, Taken::kYours);
  const pid_t child = in_child([&] {
    if (take_one(*cache, key_of(1)).taken != Taken::kBusy) ::_exit(1);
    if (!cache->wait({key_of(1)}, 60, {})) ::_exit(2);
    const Got got = take_one(*cache, key_of(1));
    if (got.taken != Taken::kHit || !got.right) ::_exit(3);
  });
  while (cache->facts().waits == 0) ::usleep(1000);
  EXPECT_TRUE(publish_one(*cache, key_of(1)));
  EXPECT_EQ(status_of(child), 0);
}

TEST_F(Cache, PatienceEnds) {
  const auto cache = attach();
  EXPECT_EQ(take_one(*cache, key_of(1)).taken, Taken::kYours);
  EXPECT_EQ(take_one(*cache, key_of(1)).taken, Taken::kBusy);
  EXPECT_FALSE(cache->wait({key_of(1)}, 0.01, {}));
  cache->abandon({key_of(1)});
  EXPECT_EQ(take_one(*cache, key_of(1)).taken, Taken::kYours);
}

TEST_F(Cache, AClaimEndsWithItsOwner) {
  const auto cache = attach();
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  const pid_t child = in_child([&] {
    take_one(*cache, key_of(1));
    if (::write(pipe_ends[1], "x", 1) != 1) ::_exit(1);
    ::pause();
  });
  char byte;
  ASSERT_EQ(::read(pipe_ends[0], &byte, 1), 1);
  EXPECT_EQ(take_one(*cache, key_of(1)).taken, Taken::kBusy);
  ::kill(child, SIGKILL);  // and nobody reaps it: a zombie is dead, too
  EXPECT_TRUE(cache->wait({key_of(1)}, 60, {}));
  EXPECT_EQ(take_one(*cache, key_of(1)).taken, Taken::kYours);
  EXPECT_EQ(cache->audit(), "");
  status_of(child);
}

#if !defined(__SANITIZE_THREAD__)  // it takes a lock that was left by the dead for an error of ours
TEST_F(Cache, WhoDiesWithTheLockAndHalfChangedTablesCostsNoFrames) {
  const auto cache = attach();
  for (int frame = 0; frame < 5; ++frame) {
    take_one(*cache, key_of(frame));
    publish_one(*cache, key_of(frame));
  }
  status_of(in_child([&] {
    cache::Segment own(path, kBytes);
    cache::Header& header = *own.tables().header;
    ::pthread_mutex_lock(&header.mutex);
    header.free_block = header.newest = 3;
    header.free_entry = 1u << 30;
    for (std::uint32_t i = 0; i < own.tables().bucket_count; ++i) own.tables().buckets[i] = 2;
    for (std::uint32_t i = 0; i < own.tables().entry_count; ++i) own.tables().entries[i].older = 1;
    die();
  }));
  for (int frame = 0; frame < 5; ++frame) {
    const Got got = take_one(*cache, key_of(frame));
    EXPECT_EQ(got.taken, Taken::kHit);
    EXPECT_TRUE(got.right);
  }
  EXPECT_EQ(cache->facts().recoveries, 1u);
  EXPECT_EQ(cache->audit(), "");
}

TEST_F(Cache, AnEntryThatContradictsItselfIsDroppedInRepair) {
  const auto cache = attach();
  for (int frame = 0; frame < 4; ++frame) {
    take_one(*cache, key_of(frame));
    publish_one(*cache, key_of(frame));
  }
  status_of(in_child([&] {
    cache::Segment own(path, kBytes);
    cache::Tables& tables = own.tables();
    ::pthread_mutex_lock(&tables.header->mutex);
    const auto entry = [&](int frame) -> cache::Entry& {
      return tables.entries[tables.find(key_of(frame))];
    };
    tables.next_block[entry(0).first_block] = entry(0).first_block;  // a circle
    entry(1).first_block = 1u << 31;                                 // out of bounds
    entry(2).first_block = entry(3).first_block;                     // shared
    die();
  }));
  int hits = 0;
  for (int frame = 0; frame < 4; ++frame) {
    const Got got = take_one(*cache, key_of(frame));
    EXPECT_TRUE(got.taken != Taken::kHit || got.right) << frame;
    hits += got.taken == Taken::kHit;
  }
  EXPECT_LE(hits, 1);  // of 2 and 3, at most the one that the blocks belong to
  EXPECT_EQ(cache->audit(), "");
}

#endif

TEST_F(Cache, WrongBytesAreNeverReturned) {
  const auto cache = attach();
  take_one(*cache, key_of(1));
  publish_one(*cache, key_of(1));
  status_of(in_child([&] {
    cache::Segment own(path, kBytes);
    own.tables().data[cache::kBlockBytes + 17] ^= 1;
  }));
  EXPECT_EQ(take_one(*cache, key_of(1)).taken, Taken::kAbsent);
  EXPECT_EQ(cache->facts().rejected, 1u);
  EXPECT_EQ(take_one(*cache, key_of(1)).taken, Taken::kYours);
  EXPECT_EQ(cache->audit(), "");
}

TEST_F(Cache, KeepsWhatWasUsedLastWithinItsBytes) {
  const auto cache = attach();
  for (int frame = 0; frame < 200; ++frame) {
    EXPECT_EQ(take_one(*cache, key_of(0), false).taken, frame == 0 ? Taken::kAbsent : Taken::kHit);
    if (take_one(*cache, key_of(frame)).taken == Taken::kYours) {
      EXPECT_TRUE(publish_one(*cache, key_of(frame)));
    }
  }
  const CacheFacts facts = cache->facts();
  EXPECT_GT(facts.evictions, 100u);
  EXPECT_LE(facts.capacity_bytes, kBytes);
  EXPECT_LE(facts.used_bytes, facts.capacity_bytes);
  struct stat file{};
  ASSERT_EQ(::stat(path.c_str(), &file), 0);
  EXPECT_LE(file.st_size, static_cast<off_t>(kBytes));
  EXPECT_EQ(take_one(*cache, key_of(199)).taken, Taken::kHit);
  EXPECT_EQ(take_one(*cache, key_of(1)).taken, Taken::kYours);  // long gone
  EXPECT_EQ(cache->audit(), "");
}

TEST_F(Cache, AFrameTooLargeToKeepIsNotKept) {
  const auto cache = attach();
  const FrameKey large = key_of(1, 500, 500);  // 750,000 of 1,048,576 bytes
  EXPECT_EQ(take_one(*cache, large).taken, Taken::kYours);
  EXPECT_FALSE(publish_one(*cache, large));
  EXPECT_EQ(take_one(*cache, large).taken, Taken::kYours);  // the claim is gone, too
  EXPECT_EQ(cache->audit(), "");
}

TEST_F(Cache, TheFileGoesWithItsLastUser) {
  auto cache = attach();
  EXPECT_EQ(attach().get(), cache.get());  // one object in a process
  const pid_t child = in_child([&] {
    take_one(*cache, key_of(1));
    publish_one(*cache, key_of(1));
    ::pause();
  });
  while (cache->facts().frames == 0) ::usleep(1000);
  EXPECT_EQ(cache->facts().processes, 2u);
  cache.reset();
  EXPECT_TRUE(exists());
  EXPECT_EQ(take_one(*attach(), key_of(1), false).taken, Taken::kHit);
  EXPECT_TRUE(exists());  // the child has it still
  ::kill(child, SIGKILL);
  status_of(child);
  EXPECT_TRUE(exists());  // nobody was there to remove it
  auto listed = cache_segments(folder, false).value();
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_FALSE(listed[0].in_use);
  cache = attach();  // replaces it
  EXPECT_EQ(take_one(*cache, key_of(1), false).taken, Taken::kAbsent);
  EXPECT_TRUE(cache_segments(folder, true).value().at(0).in_use);
  EXPECT_TRUE(exists());
  cache.reset();
  EXPECT_FALSE(exists());
}

TEST_F(Cache, AChildThatDoesNotUseItDoesNotHoldIt) {
  auto cache = attach();
  const pid_t child = in_child([] { ::pause(); });
  cache.reset();
  EXPECT_FALSE(exists());
  ::kill(child, SIGKILL);
  status_of(child);
}

TEST_F(Cache, ARemovedFileLeavesAForkedChildWithoutCacheButWell) {
  auto cache = attach();
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  const pid_t child = in_child([&] {
    char byte;
    if (::read(pipe_ends[0], &byte, 1) != 1) ::_exit(1);
    if (take_one(*cache, key_of(1)).taken != Taken::kAbsent) ::_exit(2);
    if (publish_one(*cache, key_of(1))) ::_exit(3);
  });
  cache.reset();
  EXPECT_EQ(::write(pipe_ends[1], "x", 1), 1);
  EXPECT_EQ(status_of(child), 0);
}

TEST_F(Cache, OtherFilesAreRefused) {
  EXPECT_EQ(FrameCache::attach(path, 1000).code(), Errc::kInvalidArgument);
  EXPECT_EQ(FrameCache::attach(path, std::uint64_t{1} << 60).code(), Errc::kLimit);
  EXPECT_EQ(FrameCache::attach("/no-such-folder/x", kBytes).code(), Errc::kIo);
  std::FILE* file = std::fopen(path.c_str(), "w");
  std::fputs(std::string(2000, 'x').c_str(), file);
  std::fclose(file);
  EXPECT_EQ(FrameCache::attach(path, kBytes).code(), Errc::kInvalidArgument);
  EXPECT_TRUE(exists());
}

// How many kills: some by default, as many as DEEPSPORT_KILLS says when somebody has the time.
int kills(int by_default) {
  const char* wanted = std::getenv("DEEPSPORT_KILLS");
  return wanted != nullptr ? std::atoi(wanted) : by_default;
}

// What a user of the cache does, over and over: 40 frames where 60 find room at two blocks each.
void use(FrameCache& cache, std::uint32_t seed, int rounds, bool& wrong) {
  std::mt19937 random(seed);
  for (int round = 0; round < rounds; ++round) {
    std::vector<FrameKey> keys;
    for (int i = 0; i < 3; ++i) {
      const int frame = static_cast<int>(random() % 90);
      keys.push_back(frame % 3 == 0 ? key_of(frame, 90, 80) : key_of(frame));
      for (int k = 0; k < i; ++k) {
        if (keys[static_cast<std::size_t>(k)] == keys.back()) {
          keys.pop_back();
          break;
        }
      }
      if (static_cast<int>(keys.size()) <= i) --i;
    }
    std::size_t total = 0;
    for (const FrameKey& key : keys) total += key.bytes();
    std::vector<std::uint8_t> pixels(total);
    std::vector<FrameStatus> status(keys.size());
    const auto taken = cache.take(keys, pixels.data(), status.data(), true);
    std::size_t at = 0;
    std::vector<FrameKey> busy;
    for (std::size_t i = 0; i < keys.size(); at += keys[i].bytes(), ++i) {
      const auto right = pixels_of(keys[i]);
      if (taken[i] == Taken::kHit && std::memcmp(right.data(), pixels.data() + at, right.size()))
        wrong = true;
      if (taken[i] == Taken::kBusy) busy.push_back(keys[i]);
      if (taken[i] != Taken::kYours) continue;
      if (random() % 16 == 0) {
        cache.abandon({keys[i]});
      } else {
        cache.publish(keys[i], right.data(), FrameStatus::kOk);
      }
    }
    if (!busy.empty() && random() % 4 == 0) cache.wait(busy, 0.05, {});
  }
}

TEST_F(Cache, ThreadsOfOneProcessShareIt) {
  const auto cache = attach();
  bool wrong[4] = {};
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] { use(*cache, i, 300, wrong[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const bool one : wrong) EXPECT_FALSE(one);
  EXPECT_EQ(cache->audit(), "");
  EXPECT_GT(cache->facts().hits, 100u);
}

#if !defined(__SANITIZE_THREAD__)
// Four processes read and write; every few milliseconds one of them is killed and another comes.
TEST_F(Cache, SurvivesKillsAtRandomMoments) {
  const int wanted = kills(64);
  const auto cache = attach();
  std::mt19937 random(5);
  std::uint32_t seed = 0;
  const auto start = [&] {  // ends by itself as soon as a pixel is wrong
    const std::uint32_t own = ++seed;
    return in_child([&cache, own] {
      for (std::uint32_t part = 0;; ++part) {
        bool wrong = false;
        use(*cache, own * 1000 + part, 20, wrong);
        if (wrong) ::_exit(9);
      }
    });
  };
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) children.push_back(start());
  for (int kill = 0; kill < wanted; ++kill) {
    ::usleep(static_cast<useconds_t>(random() % 6000));
    pid_t& victim = children[random() % children.size()];
    ::kill(victim, SIGKILL);
    const int status = status_of(victim);
    ASSERT_TRUE(WIFSIGNALED(status)) << "a child saw wrong pixels";
    victim = start();
    if (kill % 20 == 0) {
      bool wrong = false;
      use(*cache, seed, 20, wrong);
      ASSERT_FALSE(wrong);
      ASSERT_EQ(cache->audit(), "") << "after kill " << kill;
    }
  }
  for (const pid_t child : children) {
    ::kill(child, SIGKILL);
    status_of(child);
  }
  bool wrong = false;
  use(*cache, 999, 300, wrong);  // all claims of the dead are free again
  EXPECT_FALSE(wrong);
  EXPECT_EQ(cache->audit(), "");
  EXPECT_GT(cache->facts().recoveries, 0u);
  EXPECT_EQ(cache->facts().rejected, 0u);
}

#if !defined(__SANITIZE_ADDRESS__)
// The same with the moment chosen exactly: after a number of machine instructions.
TEST_F(Cache, SurvivesAKillAfterAnyInstruction) {
  const auto cache = attach();
  bool wrong = false;
  use(*cache, 1, 200, wrong);  // full, so that evictions happen
  std::mt19937 random(3);
  const int rounds = kills(64) / 16;  // each instruction is two switches between processes
  int stepped = 0;
  for (int round = 0; round < rounds; ++round) {
    const pid_t child = in_child([&] {
      if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(77);
      take_one(*cache, key_of(1000 + round), false);  // a member by now
      const auto pixels = pixels_of(key_of(1000 + round, 3, 3));
      ::raise(SIGSTOP);
      take_one(*cache, key_of(1000 + round, 3, 3));
      cache->publish(key_of(1000 + round, 3, 3), pixels.data(), FrameStatus::kOk);
      take_one(*cache, key_of(1000 + round, 3, 3));
      ::_exit(0);
    });
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) GTEST_SKIP() << "no ptrace here";
    const int steps = static_cast<int>(random() % 7000);
    for (int step = 0; step < steps && WIFSTOPPED(status); ++step) {
      if (::ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr) != 0) break;
      ::waitpid(child, &status, 0);
      ++stepped;
    }
    if (WIFSTOPPED(status)) {
      ::kill(child, SIGKILL);
      status_of(child);
    }
    const Got got = take_one(*cache, key_of(1000 + round, 3, 3));
    ASSERT_TRUE(got.taken == Taken::kYours || (got.taken == Taken::kHit && got.right));
    cache->abandon({key_of(1000 + round, 3, 3)});
    ASSERT_EQ(cache->audit(), "") << "round " << round << ", step " << steps;
  }
  std::printf("%d instructions, %d times killed\n", stepped, rounds);
}
#endif
#endif

}  // namespace
}  // namespace deepsport
