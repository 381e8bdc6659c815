// Chooses how to build an index and checks what came of it.
#include "deepsport/index.hpp"
#include "index/file.hpp"
#include "index/matroska.hpp"
#include "index/mp4.hpp"
#include "index/scan.hpp"
#include "index/transport_stream.hpp"
#include "video/limits.hpp"

namespace deepsport {
namespace {

// By a visit to every packet, or to its header.
FrameIndex visit_packets(const std::shared_ptr<const Source>& source, const IndexOptions& options,
                         Deadline deadline) {
  std::optional<FrameIndex> index;
  if (options.use_sample_table) {
    index = read_block_headers(*source, options.limits, deadline);
    if (!index) index = read_transport_stream(*source, options.limits, deadline);
  }
  return index ? std::move(*index) : scan_packets(source, options.limits, std::move(deadline));
}

bool is_scanned(const FrameIndex& index) {
  return index.origin == IndexOrigin::kPacketScan || index.origin == IndexOrigin::kDecode;
}

// The same, unless an index file says what came of it before.
FrameIndex visit_or_load(const std::shared_ptr<const Source>& source, const IndexOptions& options,
                         Deadline deadline) {
  if (options.cache_folder.empty()) return visit_packets(source, options, std::move(deadline));
  const std::string key = content_key(*source);
  const std::string path = index_path(options.cache_folder, key);
  std::string why;
  if (auto kept = load_index(path, key, source->modified_ns(), why)) {
    // it may have been made under other limits
    check_picture_size(source->name(), kept->stream.coded_width, kept->stream.coded_height,
                       options.limits);
    check_packet_count(source->name(), kept->packets.size(), options.limits);
    for (const Packet& packet : kept->packets) {
      check_packet_size(source->name(), packet.size, options.limits);
    }
    if (options.use_sample_table || is_scanned(*kept)) {
      kept->from_cache = true;
      return std::move(*kept);
    }
  }
  const auto begin = Deadline::Clock::now();
  FrameIndex index = visit_packets(source, options, std::move(deadline));
  const std::chrono::duration<double> took = Deadline::Clock::now() - begin;
  if (!why.empty()) index.remark = "index file " + path + " was made again: " + why;
  // Without a time of modification, as bytes and file objects have none, a file is less sure to be
  // the same, and there may be any number of them: only what took long is kept.
  constexpr double kUnstamped = 40;
  const double least = options.keep_after_seconds * (source->modified_ns() == 0 ? kUnstamped : 1);
  if (!index.pts.empty() && (!why.empty() || took.count() >= least) &&
      !save_index(index, key, source->modified_ns(), path)) {
    index.remark = "index files could not be written to " + options.cache_folder;
  }
  return index;
}

FrameIndex read_index(const std::shared_ptr<const Source>& source, const IndexOptions& options,
                      Deadline deadline) {
  if (options.use_sample_table) {
    auto index = read_sample_tables(*source, options.limits, deadline);
    if (index) return std::move(*index);
  }
  return visit_or_load(source, options, std::move(deadline));
}

}  // namespace

Result<std::shared_ptr<const FrameIndex>> build_index(const std::shared_ptr<const Source>& source,
                                                      const IndexOptions& options,
                                                      Deadline deadline) {
  try {
    auto index = std::make_shared<FrameIndex>(read_index(source, options, std::move(deadline)));
    if (index->packets.empty()) {
      return Error(index->truncated ? Errc::kTruncated : Errc::kNotVideo,
                   source->name() + ": its headers describe a " + index->stream.codec +
                       " stream, but the file holds no packet of it; valid is a complete file");
    }
    if (index->pts.empty()) {
      return Error(Errc::kCorrupt, source->name() + ": none of its " +
                                       std::to_string(index->packets.size()) +
                                       " video packets becomes a picture; valid is a file with at "
                                       "least one decodable key picture");
    }
    if (!index->from_cache && !index->finish()) {
      return Error(Errc::kInternal, source->name() + ": the index of its " +
                                        std::to_string(index->packets.size()) + " packets and " +
                                        std::to_string(index->pts.size()) +
                                        " frames contradicts itself; please report it, with the "
                                        "file if you can");
    }
    return std::shared_ptr<const FrameIndex>(std::move(index));
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return Error(Errc::kLimit, source->name() + ": not enough memory for its index");
  }
}

}  // namespace deepsport
