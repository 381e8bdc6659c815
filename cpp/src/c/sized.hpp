// Structures of the C face that grow at their ends: a program may know fewer members than this
// library, or more. What the structures hold is in deepsport.h.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "c/failure.hpp"

namespace deepsport::c {

// What each structure measured when it was first promised. Never changed within a SOVERSION: these
// are the ends of the last members in 0.1, not of what has come since.
constexpr std::size_t kFirstOpenOptions =
    offsetof(ds_open_options, max_packets) + sizeof(ds_open_options::max_packets);
constexpr std::size_t kFirstFacts = offsetof(ds_facts, codec) + sizeof(ds_facts::codec);
constexpr std::size_t kFirstDecodeOptions =
    offsetof(ds_decode_options, cancel) + sizeof(ds_decode_options::cancel);
constexpr std::size_t kFirstTurn = offsetof(ds_turn, answer_end) + sizeof(ds_turn::answer_end);

/// Refuse a structure that no INIT macro of any version could have made.
inline void need_bytes(std::size_t found, std::size_t first, const char* name) {
  if (found < first) {
    refuse(std::string(name) + ".struct_bytes is " + std::to_string(found) + ", valid are " +
           std::to_string(first) + " or more: start from the INIT macro of " + name);
  }
}

/// The caller's structure as this library knows it: members that the caller's header lacks come
/// from `defaults`, members that this library lacks are left out.
template <typename T>
T taken(const T* given, T defaults, std::size_t first, const char* name) {
  need_bytes(given->struct_bytes, first, name);
  std::memcpy(&defaults, given, std::min(given->struct_bytes, sizeof(T)));
  return defaults;
}

/// Write as much of what was found as the caller has room for; its size stays as it was.
template <typename T>
void give(T found, T* out) {
  found.struct_bytes = out->struct_bytes;
  std::memcpy(out, &found, std::min(out->struct_bytes, sizeof(T)));
}

}  // namespace deepsport::c
