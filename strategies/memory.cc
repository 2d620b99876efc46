#include "strategies/memory.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "strategies/error.h"

namespace weighbridge {

PlainMemory::PlainMemory() {
  // Larger pages (64 KiB on some arm64 kernels) would make every prediction wrong by its rounding.
  if (const long page = sysconf(_SC_PAGESIZE); page != static_cast<long>(kPageBytes)) {
    throw Error(ErrorKind::environment,
                fmt::format("page size is {} bytes, and only {} is supported", page, kPageBytes));
  }
}

void* PlainMemory::allocate(Purpose purpose, size_t bytes) {
  void* address = std::aligned_alloc(kPageBytes, page_rounded(bytes));
  if (address == nullptr) {
    throw Error(ErrorKind::refused, fmt::format("allocating {} bytes for {} was refused: out of memory", bytes,
                                                purpose == Purpose::weights ? "weights" : "staging"));
  }
  return address;
}

void PlainMemory::release(Purpose, void* address, size_t) {
  std::free(address);
}

namespace {

std::byte* map_or_throw(int descriptor, size_t bytes, int protection, int flags) {
  void* address = mmap(nullptr, bytes, protection, flags, descriptor, 0);
  if (address == MAP_FAILED) {
    throw Error(ErrorKind::refused, fmt::format("mapping {} bytes was refused ({})", bytes, std::strerror(errno)));
  }
  return static_cast<std::byte*>(address);
}

}  // namespace

const std::byte* PlainMemory::map(int descriptor, size_t bytes) {
  return map_or_throw(descriptor, bytes, PROT_READ, MAP_PRIVATE);
}

std::byte* PlainMemory::map_writable(int descriptor, size_t bytes) {
  return map_or_throw(descriptor, bytes, PROT_READ | PROT_WRITE, MAP_SHARED);
}

void PlainMemory::unmap(const std::byte* address, size_t bytes) {
  munmap(const_cast<std::byte*>(address), bytes);
}

void PlainMemory::advise(const std::byte* address, size_t bytes, Advice advice) {
  const auto [number, name] = [&]() -> std::pair<int, const char*> {
    switch (advice) {
      case Advice::populate:
        return {MADV_POPULATE_READ, "populate"};
      case Advice::willneed:
        return {MADV_WILLNEED, "willneed"};
      case Advice::sequential:
        return {MADV_SEQUENTIAL, "sequential"};
      case Advice::random:
        return {MADV_RANDOM, "random"};
      case Advice::hugepages:
        return {MADV_HUGEPAGE, "hugepages"};
    }
    return {MADV_NORMAL, "none"};
  }();
  if (madvise(const_cast<std::byte*>(address), bytes, number) != 0) {
    throw Error(ErrorKind::environment,
                fmt::format("advice {} for a mapping was refused by the kernel ({})", name, std::strerror(errno)));
  }
}

void PlainMemory::drop(const std::byte* address, size_t bytes) {
  const auto first = reinterpret_cast<uintptr_t>(address) / kPageBytes * kPageBytes;
  const auto last = page_rounded(reinterpret_cast<uintptr_t>(address) + bytes);
  madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

}  // namespace weighbridge
