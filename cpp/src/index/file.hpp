// Indexes kept in files (docs/formats/index-v4.md), so that a long ts or mkv is scanned once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "deepsport/index.hpp"

namespace deepsport {

/// What a source is found by: size, first and last 16 KiB, in 32 hex digits. Not
/// content_signature(), whose SHA-256 takes twice as long as all the rest of opening a kept index.
/// @throws Error kIo.
std::string content_key(const Source& source);

/// The bytes of an index file. `modified_ns`: of the source, zero when it has no such time.
std::vector<std::uint8_t> to_bytes(const FrameIndex& index, const std::string& key,
                                   std::int64_t modified_ns);

/// The index in such bytes, finished; nothing when they are damaged, of another version, or of
/// another source. `why` then says which.
std::optional<FrameIndex> from_bytes(const std::vector<std::uint8_t>& bytes, const std::string& key,
                                     std::int64_t modified_ns, std::string& why);

/// Where the index of a source lies below a cache folder.
std::string index_path(const std::string& folder, const std::string& key);

/// Read an index file; nothing when there is none or it does not serve; `why` is empty for none.
std::optional<FrameIndex> load_index(const std::string& path, const std::string& key,
                                     std::int64_t modified_ns, std::string& why);

/// Write an index file, whole or not at all. False when the folder refuses.
bool save_index(const FrameIndex& index, const std::string& key, std::int64_t modified_ns,
                const std::string& path) noexcept;

}  // namespace deepsport
