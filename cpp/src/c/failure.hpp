// How the C face turns exceptions into codes: the message of the thread, and the guard around every
// function. Not for deciding what is an error.
#pragma once

#include <exception>
#include <new>
#include <string>

#include "deepsport/c/deepsport.h"
#include "deepsport/error.hpp"

namespace deepsport::c {

/// Keep a message for ds_last_error() and return the code.
int fail(Errc code, const char* message) noexcept;

/// Run `work`, which returns nothing and throws Error; never lets anything out.
template <typename Work>
int guarded(Work&& work) noexcept {
  try {
    work();
    return DS_OK;
  } catch (const Error& error) {
    return fail(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return fail(Errc::kLimit, "out of memory; valid are fewer or smaller frames");
  } catch (const std::exception& error) {
    return fail(Errc::kInternal, error.what());
  } catch (...) {
    return fail(Errc::kInternal, "an exception of an unknown kind");
  }
}

[[noreturn]] inline void refuse(const std::string& message) {
  throw Error(Errc::kInvalidArgument, message);
}

/// Check what every pointer of the C face must satisfy.
inline void need(const void* pointer, const char* function, const char* argument) {
  if (pointer == nullptr) {
    refuse(std::string(function) + ": " + argument + " is NULL; valid is a pointer to it");
  }
}

}  // namespace deepsport::c
