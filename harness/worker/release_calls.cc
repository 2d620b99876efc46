// munmap, madvise and mremap of a plug-in, read before as every other release is.
//
// The need's peak is exact because the worker reads its own status right before anything goes back to the kernel
// (need_meter.h). A plug-in's malloc is this program's, whose arena tells the meter. But a loader may as well map
// memory of its own, and unmap it again within a millisecond: then no sample would see it. A symbol that a program
// defines stands before the C library's, for every library that is loaded into it, and for what those are linked with.
// So these three are defined here, and are the system calls they always were until a plug-in is there. What glibc
// itself gives back (the stacks of threads that ended) does not come by here.
#include "harness/worker/release_calls.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdarg>

namespace weighbridge {
namespace {

std::atomic<ReleaseWatch*> release_watch{nullptr};

#ifndef WEIGHBRIDGE_SANITIZE
void before_release(size_t bytes) {
  if (ReleaseWatch* const watch = release_watch.load(std::memory_order_acquire)) watch->before_release(bytes);
}
#endif

}  // namespace

void watch_release_calls(ReleaseWatch& watch) {
  release_watch.store(&watch, std::memory_order_release);
}

}  // namespace weighbridge

#ifndef WEIGHBRIDGE_SANITIZE  // whose runtime stands in these places itself

extern "C" int munmap(void* address, size_t bytes) noexcept {
  weighbridge::before_release(bytes);
  return static_cast<int>(syscall(SYS_munmap, address, bytes));
}

extern "C" int madvise(void* address, size_t bytes, int advice) noexcept {
  if (advice == MADV_DONTNEED || advice == MADV_REMOVE || advice == MADV_FREE) weighbridge::before_release(bytes);
  return static_cast<int>(syscall(SYS_madvise, address, bytes, advice));
}

extern "C" void* mremap(void* address, size_t old_bytes, size_t new_bytes, int flags, ...) noexcept {
  if (new_bytes < old_bytes) weighbridge::before_release(old_bytes - new_bytes);
  va_list more;
  va_start(more, flags);
  void* const place = (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) != 0 ? va_arg(more, void*) : nullptr;
  va_end(more);
  return reinterpret_cast<void*>(syscall(SYS_mremap, address, old_bytes, new_bytes, flags, place));
}

#endif
