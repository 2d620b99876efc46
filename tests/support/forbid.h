// System calls refused as a container's sandbox refuses them (Docker's default: io_uring_setup), by a real seccomp
// filter.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <iterator>

namespace weighbridge::test {

// The system call fails with `error`, for this process and what it starts, for good. False where the kernel has no
// filters.
inline bool forbid(unsigned system_call, int error) {
  sock_filter steps[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, system_call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog filter{static_cast<unsigned short>(std::size(steps)), steps};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

inline bool forbid_io_uring() {
  return forbid(SYS_io_uring_setup, EPERM);
}

// And processes; clone3 must be unknown, as glibc goes back to clone only then.
inline bool forbid_threads() {
  return forbid(SYS_clone3, ENOSYS) && forbid(SYS_clone, EAGAIN);
}

}  // namespace weighbridge::test
