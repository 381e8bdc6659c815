// Codes, names and the last message of each thread.
#include "c/failure.hpp"

#include "deepsport/version.hpp"

namespace deepsport::c {
namespace {
thread_local std::string last_message;
thread_local const char* last_text = "";  // for when there is no memory to keep a message in
}  // namespace

int fail(Errc code, const char* message) noexcept {
  try {
    last_message = message;
    last_text = last_message.c_str();
  } catch (...) {
    last_text = "out of memory";
  }
  return static_cast<int>(code);
}

const char* last_error() noexcept {
  return last_text;
}

}  // namespace deepsport::c

extern "C" {

const char* ds_version(void) {
  return DEEPSPORT_VERSION;
}

const char* ds_code_name(int code) {
  return deepsport::errc_name(static_cast<deepsport::Errc>(code));
}

const char* ds_last_error(void) {
  return deepsport::c::last_error();
}

}  // extern "C"
