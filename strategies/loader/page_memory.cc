#include "strategies/loader/page_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "strategies/error.h"

namespace weighbridge {
namespace {

void* map_pages(size_t bytes, int flags, int descriptor, std::string_view what) {
  void* address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, descriptor, 0);
  if (address == MAP_FAILED) {
    throw Error(ErrorKind::refused, fmt::format("{} of {} bytes was refused ({})", what, bytes, std::strerror(errno)));
  }
  return address;
}

// The same file, whatever its path has become, open for reading and writing.
class Writable {
 public:
  explicit Writable(int descriptor) {
    const std::string link = fmt::format("/proc/self/fd/{}", descriptor);
    descriptor_ = open(link.c_str(), O_RDWR | O_CLOEXEC);
    if (descriptor_ >= 0) return;
    const int failed = errno;
    std::array<char, 4096> path;
    const ssize_t length = readlink(link.c_str(), path.data(), path.size());
    throw system_error("open for writing", length < 0 ? link : std::string(path.data(), static_cast<size_t>(length)),
                       failed);
  }
  Writable(const Writable&) = delete;
  Writable& operator=(const Writable&) = delete;
  ~Writable() { close(descriptor_); }
  int get() const { return descriptor_; }

 private:
  int descriptor_ = -1;
};

}  // namespace

void* PageMemory::allocate(Purpose purpose, size_t bytes) {
  return map_pages(page_rounded(bytes), MAP_PRIVATE | MAP_ANONYMOUS, -1,
                   purpose == Purpose::weights ? "an allocation for weights" : "an allocation for staging");
}

void PageMemory::release(Purpose, void* address, size_t bytes) {
  munmap(address, page_rounded(bytes));
}

const std::byte* PageMemory::map(int descriptor, size_t bytes) {
  if (write_ == Write::through) {
    const Writable file(descriptor);
    return static_cast<std::byte*>(map_pages(bytes, MAP_SHARED, file.get(), "a mapping"));
  }
  // Without MAP_NORESERVE the kernel takes a writable private mapping for a promise of as much memory, and refuses a
  // file larger than memory and swap together. In overcommit mode 2 it does so all the same.
  return static_cast<std::byte*>(map_pages(bytes, MAP_PRIVATE | MAP_NORESERVE, descriptor, "a mapping"));
}

}  // namespace weighbridge
