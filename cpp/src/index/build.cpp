// Chooses how to build an index and checks what came of it.
#include "deepsport/index.hpp"
#include "index/mp4.hpp"
#include "index/scan.hpp"

namespace deepsport {
namespace {

FrameIndex read_index(const std::shared_ptr<const Source>& source, const IndexOptions& options,
                      Deadline deadline) {
  if (options.use_sample_table) {
    auto index = read_sample_tables(*source, options.limits, deadline);
    if (index) return std::move(*index);
  }
  return scan_packets(source, options.limits, std::move(deadline));
}

}  // namespace

Result<std::shared_ptr<const FrameIndex>> build_index(const std::shared_ptr<const Source>& source,
                                                      const IndexOptions& options,
                                                      Deadline deadline) {
  try {
    auto index = std::make_shared<FrameIndex>(read_index(source, options, std::move(deadline)));
    index->signature = content_signature(*source).value();
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
    if (!index->finish()) {
      return Error(Errc::kInternal, source->name() + ": the index contradicts itself");
    }
    return std::shared_ptr<const FrameIndex>(std::move(index));
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return Error(Errc::kLimit, source->name() + ": not enough memory for its index");
  }
}

}  // namespace deepsport
