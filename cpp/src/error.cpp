#include "deepsport/error.hpp"

namespace deepsport {

const char* errc_name(Errc code) noexcept {
  switch (code) {
    case Errc::kOk: return "ok";
    case Errc::kNotFound: return "not found";
    case Errc::kNotVideo: return "not a video";
    case Errc::kTruncated: return "truncated";
    case Errc::kCorrupt: return "corrupt";
    case Errc::kEncrypted: return "encrypted";
    case Errc::kUnsupported: return "unsupported";
    case Errc::kOutOfRange: return "out of range";
    case Errc::kInvalidArgument: return "invalid argument";
    case Errc::kLimit: return "limit exceeded";
    case Errc::kTimeout: return "timeout";
    case Errc::kCancelled: return "cancelled";
    case Errc::kForked: return "used after fork";
    case Errc::kIo: return "input/output error";
    case Errc::kInternal: return "internal error";
    case Errc::kNoDevice: return "device unavailable";
    case Errc::kDevice: return "device failed";
  }
  return "unknown";
}

}  // namespace deepsport
