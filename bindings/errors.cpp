// Translates deepsport::Error into the class of deepsport.errors that its code stands for.
#include <new>

#include "deepsport/error.hpp"
#include "registers.hpp"

namespace py = pybind11;

namespace deepsport::bindings {
namespace {

const char* python_class(Errc code) {
  switch (code) {
    case Errc::kNotFound: return "VideoNotFoundError";
    case Errc::kNotVideo: return "NotAVideoError";
    case Errc::kTruncated: return "TruncatedVideoError";
    case Errc::kCorrupt: return "CorruptVideoError";
    case Errc::kEncrypted: return "EncryptedVideoError";
    case Errc::kUnsupported: return "UnsupportedVideoError";
    case Errc::kOutOfRange: return "FrameRangeError";
    case Errc::kInvalidArgument: return "InvalidRequestError";
    case Errc::kLimit: return "LimitExceededError";
    case Errc::kTimeout: return "DecodeTimeoutError";
    case Errc::kCancelled: return "DecodeCancelledError";
    case Errc::kForked: return "UsedAfterForkError";
    case Errc::kIo: return "VideoIOError";
    case Errc::kNoDevice: return "DeviceUnavailableError";
    case Errc::kDevice: return "DeviceFailedError";
    default: return "InternalError";
  }
}

// What Python code that we called raised to end the program, KeyboardInterrupt say, goes on as it
// is.
bool restore_cause(const Error& error) {
  if (!error.cause()) return false;
  try {
    std::rethrow_exception(error.cause());
  } catch (py::error_already_set& raised) {
    raised.restore();
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace

void register_errors(py::module_& m) {
  (void)m;
  py::register_exception_translator([](std::exception_ptr raised) {
    try {
      if (raised) std::rethrow_exception(raised);
    } catch (const Error& error) {
      if (restore_cause(error)) return;
      const auto cls = py::module_::import("deepsport.errors").attr(python_class(error.code()));
      PyErr_SetString(cls.ptr(), error.what());
    } catch (const std::bad_alloc&) {
      const auto cls = py::module_::import("deepsport.errors").attr("LimitExceededError");
      PyErr_SetString(cls.ptr(),
                      "not enough memory for what was asked; valid are fewer or smaller frames");
    }
  });
}

}  // namespace deepsport::bindings
