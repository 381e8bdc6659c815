#include <cstdio>
#include <string>

#include "deepsport/time.hpp"

namespace deepsport {

Deadline Deadline::after(double seconds) {
  Deadline made;
  if (seconds > 0) {
    made.seconds_ = seconds;
    if (seconds < 1e9) {
      made.until_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                       std::chrono::duration<double>(seconds));
    }
  }
  return made;
}

Errc Deadline::state() const noexcept {
  if (cancel_flag != nullptr && cancel_flag->load(std::memory_order_relaxed))
    return Errc::kCancelled;
  if (until_ != Clock::time_point::max() && Clock::now() >= until_) return Errc::kTimeout;
  return Errc::kOk;
}

void Deadline::check(const char* doing) const {
  const Errc now = state();
  if (now == Errc::kOk) return;
  if (now == Errc::kCancelled) {
    throw Error(now,
                std::string("cancelled while ") + doing + "; finished work is kept, ask again");
  }
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%g", seconds_);
  throw Error(now, std::string("the deadline of ") + seconds + " s passed while " + doing +
                       "; ask for fewer frames or allow more time");
}

void Deadline::poll(const char* doing) {
  if (interrupted) {
    const auto now = Clock::now();
    if (now >= next_poll_) {
      next_poll_ = now + std::chrono::milliseconds(50);
      if (interrupted()) throw Error(Errc::kCancelled, std::string("interrupted while ") + doing);
    }
  }
  check(doing);
}

}  // namespace deepsport
