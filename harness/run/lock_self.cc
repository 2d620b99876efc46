#include "harness/run/lock_self.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "harness/probe/procfs.h"
#include "strategies/memory.h"

namespace weighbridge {
namespace {

// The program comes first, then its libraries.
int lock_object(dl_phdr_info* object, size_t, void*) {
  for (int index = 0; index < object->dlpi_phnum; ++index) {
    const auto& header = object->dlpi_phdr[index];
    if (header.p_type != PT_LOAD) continue;
    const uintptr_t begin = (object->dlpi_addr + header.p_vaddr) & ~(kPageBytes - 1);
    const uintptr_t end = page_rounded(object->dlpi_addr + header.p_vaddr + header.p_memsz);
    mlock2(reinterpret_cast<void*>(begin), end - begin, MLOCK_ONFAULT);
  }
  return 0;
}

}  // namespace

Locked lock_self() {
  Locked locked;
  if (mlockall(MCL_CURRENT | MCL_ONFAULT) != 0) {
    locked.reason = std::string("mlockall: ") + std::strerror(errno) + " (ulimit -l)";
    dl_iterate_phdr(lock_object, nullptr);
    constexpr uintptr_t kStackInUse = 64u << 10;
    const auto here = reinterpret_cast<uintptr_t>(&locked) & ~(kPageBytes - 1);
    mlock2(reinterpret_cast<void*>(here - kStackInUse), 2 * kStackInUse, MLOCK_ONFAULT);
  }
  const ProcText status = read_proc("/proc/self/status");
  const auto kib = status.text ? number_after(*status.text, "VmLck:") : std::nullopt;
  locked.bytes = kib.value_or(0) * 1024;
  return locked;
}

}  // namespace weighbridge
