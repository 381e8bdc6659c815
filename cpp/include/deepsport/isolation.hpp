// For a process that decodes files nobody trusts: give up what it does not need, for ever.
// Starting such processes and talking to them is the caller's: python/deepsport/isolation.
#pragma once

#include <string>

namespace deepsport {

/// From now on the calling thread, and threads it starts, can open no file, make no socket, start
/// no program or process, signal no other process and raise no limit of resources; descriptors that
/// are open go on working. A refused call fails with EPERM. Returns an empty text, or why this
/// system has no such filter (Linux with seccomp on x86-64 and 64-bit ARM has), and then nothing
/// is given up.
std::string confine_this_thread();

}  // namespace deepsport
