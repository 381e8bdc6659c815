// What can go wrong in the core, and the two ways a caller may learn of it: Result<T> by code, or
// value() which throws. Not for broken invariants: those are assertions.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace deepsport {

/// One code per decision a caller may take. Values are part of the C face: append, never renumber.
enum class Errc : int {
  kOk = 0,
  kNotFound = 1,         ///< no such file
  kNotVideo = 2,         ///< not a container we can read, or no video stream with frames in it
  kTruncated = 3,        ///< the file ends before the data that was asked for
  kCorrupt = 4,          ///< the bitstream or container is damaged where it was read
  kEncrypted = 5,        ///< the samples are encrypted
  kUnsupported = 6,      ///< a codec, pixel format or feature this build cannot handle
  kOutOfRange = 7,       ///< a frame, second or window outside of the video
  kInvalidArgument = 8,  ///< a request that no video could satisfy
  kLimit = 9,            ///< a set limit (pixels, frames, bytes) would be exceeded
  kTimeout = 10,         ///< the deadline passed
  kCancelled = 11,       ///< cancelled by the caller
  kForked = 12,          ///< an object made before fork() was used in the child
  kIo = 13,              ///< the operating system refused a read or a write
  kInternal = 14,        ///< a bug in deepsport
  kNoDevice = 15,        ///< a device was demanded that this machine or this build does not have
  kDevice = 16,          ///< a device's driver refused or failed a call
};

/// Name of a code, e.g. "truncated". Never null.
const char* errc_name(Errc code) noexcept;

/// Code plus a message of three parts: what was asked, what was found, what would be valid.
class Error : public std::runtime_error {
 public:
  Error(Errc code, const std::string& message) : std::runtime_error(message), code_(code) {}
  /// With what a caller's function threw, for whoever hands the error to that caller.
  Error(Errc code, const std::string& message, std::exception_ptr cause)
      : std::runtime_error(message), code_(code), cause_(std::move(cause)) {}
  Errc code() const noexcept {
    return code_;
  }
  /// Null for nearly all errors.
  const std::exception_ptr& cause() const noexcept {
    return cause_;
  }

 private:
  Errc code_;
  std::exception_ptr cause_;
};

/// A value or an Error; the caller chooses between code and exception.
template <typename T>
class Result {
 public:
  Result(T value) : state_(std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::move(error)) {}  // NOLINT(google-explicit-constructor)
  bool ok() const noexcept {
    return state_.index() == 0;
  }
  explicit operator bool() const noexcept {
    return ok();
  }
  Errc code() const noexcept {
    return ok() ? Errc::kOk : std::get<1>(state_).code();
  }
  const Error& error() const {
    return std::get<1>(state_);
  }
  /// @throws Error when there is no value.
  T& value() & {
    if (!ok()) throw std::get<1>(state_);
    return std::get<0>(state_);
  }
  const T& value() const& {
    if (!ok()) throw std::get<1>(state_);
    return std::get<0>(state_);
  }
  T&& value() && {
    if (!ok()) throw std::get<1>(state_);
    return std::move(std::get<0>(state_));
  }

 private:
  std::variant<T, Error> state_;
};

}  // namespace deepsport
