// A list of the system calls that reading, decoding and answering need; everything else is refused.
#include "deepsport/isolation.hpp"

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace deepsport {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#else
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#endif

constexpr long kAllowed[] = {
    SYS_read,
    SYS_readv,
    SYS_pread64,
    SYS_preadv,
    SYS_write,
    SYS_writev,
    SYS_close,
    SYS_fstat,
    SYS_newfstatat,  // what fstat() of newer C libraries calls; tells sizes and times, no content
    SYS_lseek,
    SYS_recvmsg,
    SYS_sendmsg,
    SYS_recvfrom,
    SYS_sendto,
    SYS_fcntl,
    SYS_ppoll,
    SYS_pselect6,
    SYS_mmap,
    SYS_mprotect,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    SYS_futex,
    SYS_membarrier,
    SYS_set_robust_list,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_getrusage,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_restart_syscall,
    SYS_getpid,
    SYS_gettid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getrandom,
    SYS_exit,
    SYS_exit_group,
#ifdef SYS_rseq
    SYS_rseq,
#endif
#if defined(__x86_64__)
    SYS_poll,
    SYS_select,
    SYS_time,
#endif
};

class Program {
 public:
  void load(std::size_t offset) {
    add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
  }
  void load_argument(int which, bool high = false) {  // both architectures are little-endian
    load(offsetof(seccomp_data, args) + static_cast<std::size_t>(which) * 8 + (high ? 4 : 0));
  }
  void answer(std::uint32_t action) {
    add(BPF_RET | BPF_K, action);
  }
  /// Skip so many instructions unless the loaded word equals `value`.
  void unless_equal(std::uint32_t value, std::uint8_t skip) {
    add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip);
  }
  void unless_any_bit(std::uint32_t bits, std::uint8_t skip) {
    add(BPF_JMP | BPF_JSET | BPF_K, bits, 0, skip);
  }
  void jump(std::uint32_t skip) {
    add(BPF_JMP | BPF_JA, skip);
  }
  std::vector<sock_filter> code;

 private:
  void add(int operation, std::uint32_t value, std::uint8_t yes = 0, std::uint8_t no = 0) {
    code.push_back({static_cast<std::uint16_t>(operation), yes, no, value});
  }
};

Program allowed_calls() {
  constexpr std::uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;
  const auto number = [](long call) { return static_cast<std::uint32_t>(call); };
  Program program;
  program.load(offsetof(seccomp_data, arch));
  program.unless_equal(kArchitecture, 1);
  program.jump(1);
  program.answer(kRefuse);  // calls of another architecture have other numbers
  program.load(offsetof(seccomp_data, nr));
  for (const long call : kAllowed) {
    program.unless_equal(number(call), 1);
    program.answer(SECCOMP_RET_ALLOW);
  }
  // The newer way to start threads hides its flags from filters: the C library then takes the
  // older.
  program.unless_equal(number(SYS_clone3), 1);
  program.answer(SECCOMP_RET_ERRNO | ENOSYS);
  program.unless_equal(number(SYS_clone), 4);  // threads, no processes
  program.load_argument(0);
  program.unless_any_bit(CLONE_THREAD, 1);
  program.answer(SECCOMP_RET_ALLOW);
  program.answer(kRefuse);
  program.unless_equal(number(SYS_prlimit64), 6);  // asking for limits, not setting them
  program.load_argument(2);
  program.unless_equal(0, 3);
  program.load_argument(2, true);
  program.unless_equal(0, 1);
  program.answer(SECCOMP_RET_ALLOW);
  program.answer(kRefuse);
  program.unless_equal(number(SYS_tgkill), 4);  // abort() signals its own process
  program.load_argument(0);
  program.unless_equal(number(::getpid()), 1);
  program.answer(SECCOMP_RET_ALLOW);
  program.answer(kRefuse);
  program.answer(kRefuse);
  return program;
}

}  // namespace

std::string confine_this_thread() {
  Program program = allowed_calls();
  const sock_fprog filter{static_cast<unsigned short>(program.code.size()), program.code.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
    return std::string("seccomp: ") + std::strerror(errno);
  }
  return {};
}

}  // namespace deepsport

#else

namespace deepsport {

std::string confine_this_thread() {
  return "no filter of system calls for this system";
}

}  // namespace deepsport

#endif
