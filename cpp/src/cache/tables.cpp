#include "cache/tables.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace deepsport::cache {
namespace {

// A kill stops a process between two instructions: what is written before a state must be written
// before it in the machine code as well.
void keep_order() {
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

std::uint64_t aligned(std::uint64_t bytes, std::uint64_t to) {
  return (bytes + to - 1) / to * to;
}

std::uint64_t hash_of(const FrameKey& key) {
  std::uint64_t video[2];
  std::memcpy(video, key.video.data(), sizeof video);
  std::uint64_t hash = video[0] ^ static_cast<std::uint64_t>(key.frame) * 0x9e3779b97f4a7c15u;
  hash ^= (static_cast<std::uint64_t>(static_cast<std::uint32_t>(key.width)) << 32 |
           static_cast<std::uint32_t>(key.height)) *
          0xc2b2ae3d27d4eb4fu;
  hash ^= hash >> 29;
  hash *= 0xbf58476d1ce4e5b9u;
  return hash ^ hash >> 32;
}

}  // namespace

bool Tables::plan(std::uint64_t bytes, Header& header) {
  const std::uint64_t head = aligned(sizeof(Header), 64);
  // a block costs its bytes, its link, and half an entry with its bucket
  const std::uint64_t each = kBlockBytes + 4 + (sizeof(Entry) + 4) / 2;
  if (bytes < head + 3 * 4096 + 16 * each) return false;
  std::uint64_t blocks = (bytes - head - 3 * 4096) / each;
  blocks = std::min<std::uint64_t>(blocks, kNone / 2);
  header.block_count = static_cast<std::uint32_t>(blocks);
  header.entry_count = header.bucket_count = static_cast<std::uint32_t>(blocks / 2);
  header.entries_at = head;
  header.buckets_at = header.entries_at + std::uint64_t{header.entry_count} * sizeof(Entry);
  header.next_block_at = aligned(header.buckets_at + std::uint64_t{header.bucket_count} * 4, 64);
  header.data_at = aligned(header.next_block_at + blocks * 4, 4096);
  header.total_bytes = header.data_at + blocks * kBlockBytes;
  header.entry_bytes = sizeof(Entry);
  return header.total_bytes <= bytes;
}

Tables Tables::over(std::uint8_t* memory) {
  Tables tables;
  tables.header = reinterpret_cast<Header*>(memory);
  tables.entries = reinterpret_cast<Entry*>(memory + tables.header->entries_at);
  tables.buckets = reinterpret_cast<std::uint32_t*>(memory + tables.header->buckets_at);
  tables.next_block = reinterpret_cast<std::uint32_t*>(memory + tables.header->next_block_at);
  tables.data = memory + tables.header->data_at;
  tables.block_count = tables.header->block_count;
  tables.entry_count = tables.header->entry_count;
  tables.bucket_count = tables.header->bucket_count;
  return tables;
}

void Tables::initialise() {
  header->serial = 1;
  rebuild([](const Entry&) { return false; });
}

std::uint32_t& Tables::bucket_of(const FrameKey& key) const {
  return buckets[hash_of(key) % bucket_count];
}

std::uint32_t Tables::find(const FrameKey& key) const {
  std::uint32_t index = bucket_of(key);
  for (std::uint32_t steps = 0; index < entry_count && steps < entry_count; ++steps) {
    if (entries[index].key == key && entries[index].state != EntryState::kEmpty) return index;
    index = entries[index].hash_next;
  }
  return kNone;
}

bool Tables::walk(const Entry& entry, const std::function<bool(std::uint32_t block)>& visit) const {
  std::uint32_t block = entry.first_block;
  if (entry.block_count > block_count) return false;
  for (std::uint32_t i = 0; i < entry.block_count; ++i) {
    if (block >= block_count || !visit(block)) return false;
    block = next_block[block];
  }
  return block == kNone;
}

void Tables::link_newest(std::uint32_t index) {
  Entry& entry = entries[index];
  entry.newer = kNone;
  entry.older = header->newest;
  if (header->newest < entry_count) entries[header->newest].newer = index;
  header->newest = index;
  if (header->oldest >= entry_count) header->oldest = index;
}

void Tables::unlink(std::uint32_t index) {
  Entry& entry = entries[index];
  (entry.newer < entry_count ? entries[entry.newer].older : header->newest) = entry.older;
  (entry.older < entry_count ? entries[entry.older].newer : header->oldest) = entry.newer;
  entry.newer = entry.older = kNone;
}

void Tables::touch(std::uint32_t index) {
  entries[index].used_at = ++header->tick;
  if (header->newest == index) return;
  unlink(index);
  link_newest(index);
}

void Tables::discard(std::uint32_t index) {
  Entry& entry = entries[index];
  const EntryState was = entry.state;
  entry.generation.store(header->serial++, std::memory_order_relaxed);
  entry.state = EntryState::kEmpty;
  keep_order();
  if (was == EntryState::kReady) {
    unlink(index);
    --header->ready_count;
  }
  std::uint32_t* link = &bucket_of(entry.key);
  for (std::uint32_t steps = 0; *link < entry_count && steps < entry_count; ++steps) {
    if (*link == index) {
      *link = entry.hash_next;
      break;
    }
    link = &entries[*link].hash_next;
  }
  if (was == EntryState::kReady || was == EntryState::kWriting) {
    std::uint32_t last = kNone;
    walk(entry, [&](std::uint32_t block) {
      last = block;
      return true;
    });
    if (last != kNone) {
      next_block[last] = header->free_block;
      header->free_block = entry.first_block;
      header->used_blocks -= entry.block_count;
    }
  }
  entry.first_block = kNone;
  entry.block_count = 0;
  entry.hash_next = header->free_entry;
  header->free_entry = index;
}

bool Tables::evict_oldest() {
  if (header->oldest >= entry_count) return false;
  discard(header->oldest);
  header->evictions.fetch_add(1, std::memory_order_relaxed);
  return true;
}

std::uint32_t Tables::claim(const FrameKey& key, std::uint32_t member,
                            std::uint32_t member_generation) {
  if (header->free_entry >= entry_count && !evict_oldest()) return kNone;
  const std::uint32_t index = header->free_entry;
  if (index >= entry_count) return kNone;
  Entry& entry = entries[index];
  header->free_entry = entry.hash_next;
  entry.key = key;
  entry.bytes = 0;
  entry.member = member;
  entry.member_generation = member_generation;
  entry.first_block = kNone;
  entry.block_count = 0;
  entry.newer = entry.older = kNone;
  entry.generation.store(header->serial++, std::memory_order_relaxed);
  keep_order();
  entry.state = EntryState::kClaimed;
  std::uint32_t& bucket = bucket_of(key);
  entry.hash_next = bucket;
  bucket = index;
  return index;
}

bool Tables::begin_writing(std::uint32_t index, std::uint64_t bytes, const Reserve& reserve) {
  const std::uint64_t wanted = (bytes + kBlockBytes - 1) / kBlockBytes;
  if (wanted == 0 || wanted > block_count / 2) return false;
  std::uint32_t first = kNone;
  for (std::uint64_t i = 0; i < wanted;) {
    std::uint32_t block = header->free_block;
    if (block < block_count) {
      header->free_block = next_block[block];
    } else if (header->blocks_begun < block_count && reserve(header->blocks_begun + 1)) {
      block = header->blocks_begun++;
    } else if (evict_oldest()) {
      continue;
    } else {
      while (first < block_count) {  // no room: put back what was taken
        const std::uint32_t next = next_block[first];
        next_block[first] = header->free_block;
        header->free_block = first;
        first = next;
      }
      return false;
    }
    next_block[block] = first;
    first = block;
    ++i;
  }
  Entry& entry = entries[index];
  entry.bytes = bytes;
  entry.first_block = first;
  entry.block_count = static_cast<std::uint32_t>(wanted);
  keep_order();
  entry.state = EntryState::kWriting;
  header->used_blocks += entry.block_count;
  return true;
}

void Tables::finish_writing(std::uint32_t index, const std::uint8_t* digest, FrameStatus status) {
  Entry& entry = entries[index];
  std::memcpy(entry.digest, digest, sizeof entry.digest);
  entry.status = static_cast<std::uint32_t>(status);
  entry.used_at = ++header->tick;
  keep_order();
  entry.state = EntryState::kReady;
  ++header->ready_count;
  link_newest(index);
}

void Tables::rebuild(const Alive& alive) {
  std::vector<bool> taken(block_count, false);
  std::vector<std::uint32_t> ready;
  header->blocks_begun = std::min(header->blocks_begun, block_count);
  header->free_entry = header->free_block = header->newest = header->oldest = kNone;
  header->used_blocks = header->ready_count = 0;
  std::fill(buckets, buckets + bucket_count, kNone);
  for (std::uint32_t index = entry_count; index-- > 0;) {
    Entry& entry = entries[index];
    bool keep = false;
    if (entry.state == EntryState::kClaimed) {
      keep = find(entry.key) == kNone && alive(entry);
    } else if (entry.state == EntryState::kReady ||
               (entry.state == EntryState::kWriting && alive(entry))) {
      std::vector<std::uint32_t> own;
      keep = find(entry.key) == kNone && entry.block_count > 0 &&
             walk(entry, [&](std::uint32_t block) {
               if (block >= header->blocks_begun || taken[block]) return false;
               taken[block] = true;
               own.push_back(block);
               return true;
             });
      if (!keep) {
        for (const std::uint32_t block : own) taken[block] = false;
      }
    }
    if (keep) {
      header->used_blocks += entry.block_count;
      if (entry.state == EntryState::kReady) ready.push_back(index);
      std::uint32_t& bucket = bucket_of(entry.key);
      entry.hash_next = bucket;
      bucket = index;
    } else {
      entry.generation.store(header->serial++, std::memory_order_relaxed);
      entry.state = EntryState::kEmpty;
      entry.first_block = kNone;
      entry.block_count = 0;
      entry.hash_next = header->free_entry;
      header->free_entry = index;
    }
    entry.newer = entry.older = kNone;
  }
  for (std::uint32_t block = header->blocks_begun; block-- > 0;) {
    if (taken[block]) continue;
    next_block[block] = header->free_block;
    header->free_block = block;
  }
  std::sort(ready.begin(), ready.end(), [&](std::uint32_t a, std::uint32_t b) {
    return entries[a].used_at < entries[b].used_at;
  });
  for (const std::uint32_t index : ready) link_newest(index);
  header->ready_count = static_cast<std::uint32_t>(ready.size());
}

std::string Tables::audit() const {
  std::vector<bool> taken(block_count, false);
  std::uint32_t ready = 0, used = 0, empty = 0;
  for (std::uint32_t index = 0; index < entry_count; ++index) {
    const Entry& entry = entries[index];
    if (entry.state == EntryState::kEmpty) {
      ++empty;
      continue;
    }
    const std::string name = "entry " + std::to_string(index);
    if (find(entry.key) != index) return name + " is not found by its key";
    if (entry.state == EntryState::kClaimed) continue;
    const bool sound = walk(entry, [&](std::uint32_t block) {
      if (taken[block] || block >= header->blocks_begun) return false;
      taken[block] = true;
      ++used;
      return true;
    });
    if (!sound) return name + " has a broken chain of blocks";
    if (entry.state == EntryState::kReady) ++ready;
  }
  if (used != header->used_blocks) return "the count of used blocks is wrong";
  if (ready != header->ready_count) return "the count of frames is wrong";
  std::uint32_t steps = 0;
  for (std::uint32_t i = header->oldest, last = kNone; i != kNone; last = i, i = entries[i].newer) {
    if (i >= entry_count || entries[i].state != EntryState::kReady || entries[i].older != last ||
        ++steps > ready)
      return "the order of use is broken";
  }
  if (steps != ready) return "the order of use misses frames";
  std::uint32_t free_entries = 0, free_blocks = 0;
  for (std::uint32_t i = header->free_entry; i != kNone; i = entries[i].hash_next) {
    if (i >= entry_count || entries[i].state != EntryState::kEmpty || ++free_entries > entry_count)
      return "the list of free entries is broken";
  }
  if (free_entries != empty) return "entries are lost";
  for (std::uint32_t b = header->free_block; b != kNone; b = next_block[b]) {
    if (b >= block_count || taken[b] || ++free_blocks > block_count)
      return "the list of free blocks is broken";
  }
  if (free_blocks + used != header->blocks_begun) return "blocks are lost";
  return {};
}

}  // namespace deepsport::cache
