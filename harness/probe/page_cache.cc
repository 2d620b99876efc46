#include "harness/probe/page_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sstream>

#include "harness/probe/descriptor.h"
#include "harness/probe/procfs.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr long kCachestat = 451;  // the same on every architecture
constexpr uint64_t kPage = 4096;

struct CachestatRange {
  uint64_t offset, length;
};
struct Cachestat {
  uint64_t cached, dirty, writeback, evicted, recently_evicted;
};

class Opened {
 public:
  // Anything but a regular file counts as not there: a FIFO that took a file's place would block for ever.
  explicit Opened(const std::string& path) : file_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (!file_) {
      reason_ = system_error("open", path, errno).what();
    } else if (fstat(file_.get(), &info_) != 0 || !S_ISREG(info_.st_mode)) {
      file_ = Descriptor();
      reason_ = path + " is not a regular file any more";
    }
  }
  explicit operator bool() const { return static_cast<bool>(file_); }
  int descriptor() const { return file_.get(); }
  uint64_t bytes() const { return static_cast<uint64_t>(info_.st_size); }
  const std::string& reason() const { return reason_; }
  // The kernel tells of a file's pages only to who owns it or may write to it; to others mincore calls all of them
  // resident.
  bool may_ask() const {
    return info_.st_uid == geteuid() || access(("/proc/self/fd/" + std::to_string(file_.get())).c_str(), W_OK) == 0;
  }

 private:
  Descriptor file_;
  struct stat info_ {};
  std::string reason_;
};

// Window by window, so that neither the mapping nor the answer (a byte a page) is ever large.
bool mincore_bytes(const Opened& file, uint64_t& bytes) {
  constexpr uint64_t kWindow = uint64_t{64} << 20;
  std::array<unsigned char, kWindow / kPage> resident;
  for (uint64_t offset = 0; offset < file.bytes(); offset += kWindow) {
    const size_t length = static_cast<size_t>(std::min(kWindow, file.bytes() - offset));
    void* address = mmap(nullptr, length, PROT_READ, MAP_SHARED, file.descriptor(), static_cast<off_t>(offset));
    if (address == MAP_FAILED) return false;
    const bool answered = mincore(address, length, resident.data()) == 0;
    munmap(address, length);
    if (!answered) return false;
    const size_t pages = (length + kPage - 1) / kPage;
    bytes += static_cast<uint64_t>(std::count_if(resident.begin(), resident.begin() + pages,
                                                 [](unsigned char page) { return (page & 1) != 0; })) *
             kPage;
  }
  return true;
}

}  // namespace

reports::Figure cached_bytes(const std::vector<std::string>& paths, std::string& reason) {
  uint64_t total = 0;
  for (const std::string& path : paths) {
    const Opened file(path);
    if (!file) {
      reason = file.reason();
      return std::nullopt;
    }
    if (!file.may_ask()) {
      reason = "the kernel tells of a file's pages only to who owns it or may write to it";
      return std::nullopt;
    }
    CachestatRange range{0, 0};  // length 0: to the end
    Cachestat answer{};
    // On a stacked file system (overlay, as in every container) cachestat asks the upper inode, whose pages are the
    // lower one's: it then says 0, and so a 0 is not believed. A mapping leads mincore to the right pages.
    if (syscall(kCachestat, file.descriptor(), &range, &answer, 0) == 0 && answer.cached > 0) {
      total += answer.cached * kPage;
    } else if (!mincore_bytes(file, total)) {
      reason = fmt::format("neither cachestat nor mincore answers for {}", path);
      return std::nullopt;
    }
  }
  return total;
}

void warm(const std::vector<std::string>& paths, bool (*stop)()) {
  std::vector<char> block(256u << 10);
  for (const std::string& path : paths) {
    const Opened file(path);
    while (file && read(file.descriptor(), block.data(), block.size()) > 0) {
      if (stop != nullptr && stop()) return;
    }
  }
}

void evict(const std::vector<std::string>& paths) {
  const auto forget = [&] {
    for (const std::string& path : paths) {
      const Opened file(path);
      if (!file) continue;
      fdatasync(file.descriptor());
      posix_fadvise(file.descriptor(), 0, 0, POSIX_FADV_DONTNEED);
    }
  };
  forget();
  // A volatile overlay (image builds, throw-away containers) ignores fsync, and dirty pages are not forgotten: then
  // everything is written back.
  std::string reason;
  if (cached_bytes(paths, reason).value_or(0) == 0) return;
  sync();
  forget();
}

std::string filesystem_of(const std::string& path) {
  struct stat info {};
  const ProcText mounts = read_proc("/proc/self/mountinfo");
  if (stat(path.c_str(), &info) != 0 || !mounts.text) return {};
  const std::string device = fmt::format("{}:{}", major(info.st_dev), minor(info.st_dev));
  std::istringstream lines(*mounts.text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream left(line);
    std::string id, parent, number, type;
    left >> id >> parent >> number;
    const size_t dash = line.find(" - ");
    if (number != device || dash == std::string::npos) continue;
    std::istringstream(line.substr(dash + 3)) >> type;
    return type;
  }
  return {};
}

}  // namespace weighbridge
