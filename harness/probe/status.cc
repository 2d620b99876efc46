#include "harness/probe/status.h"

#include <fcntl.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace weighbridge {
namespace {

// The number after `text`, in kB, as bytes.
uint64_t kib_value(std::string_view text) {
  size_t at = 0;
  while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
  uint64_t value = 0;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9')
    value = value * 10 + static_cast<uint64_t>(text[at++] - '0');
  return value * 1024;
}

Descriptor open_of(pid_t pid, const char* name) {
  std::array<char, 64> path;
  if (pid == 0) {
    std::snprintf(path.data(), path.size(), "/proc/self/%s", name);
  } else {
    std::snprintf(path.data(), path.size(), "/proc/%d/%s", pid, name);
  }
  return Descriptor(open(path.data(), O_RDONLY | O_CLOEXEC));
}

}  // namespace

Status parse_status(std::string_view text) {
  Status status;
  int found = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon < 5) continue;
    const std::string_view key = line.substr(0, colon), value = line.substr(colon + 1);
    if (key[0] == 'V' && key[1] == 'm') {
      if (key == "VmHWM") status.high_water = kib_value(value);
      if (key == "VmPTE") status.page_tables = kib_value(value);
      if (key == "VmSwap") status.swap = kib_value(value), ++found;
    } else if (key[0] == 'R') {
      if (key == "RssAnon") status.anon = kib_value(value), ++found;
      if (key == "RssFile") status.file = kib_value(value), ++found;
      if (key == "RssShmem") status.shmem = kib_value(value), ++found;
    } else if (key == "HugetlbPages") {
      status.hugetlb = kib_value(value);
      break;  // the last line of interest; what follows (threads, signals, capabilities) is as long again
    }
  }
  status.complete = found == 4;
  return status;
}

StatusFile::StatusFile(pid_t pid) : file_(open_of(pid, "status")), rollup_(open_of(pid, "smaps_rollup")) {}

uint64_t StatusFile::swapped(const Status& status, uint64_t most_shmem) const {
  constexpr uint64_t kOwnShmem = 64u << 10;  // the page that is shared with the parent, and no more
  if (most_shmem <= kOwnShmem || (status.swap == 0 && status.shmem == most_shmem)) return status.swap;
  struct sysinfo machine {};
  if (sysinfo(&machine) != 0 || machine.totalswap == 0) return status.swap;
  std::array<char, 2048> text;
  const ssize_t bytes = pread(rollup_.get(), text.data(), text.size(), 0);
  const std::string_view all(text.data(), bytes > 0 ? static_cast<size_t>(bytes) : 0);
  const size_t at = all.find("\nSwap:");
  return at == std::string_view::npos ? status.swap : std::max(status.swap, kib_value(all.substr(at + 6)));
}

std::optional<uint64_t> StatusFile::read_vm_size() const {
  std::array<char, 4096> text;
  const ssize_t bytes = pread(file_.get(), text.data(), text.size(), 0);
  const std::string_view all(text.data(), bytes > 0 ? static_cast<size_t>(bytes) : 0);
  const size_t at = all.find("VmSize:");
  if (at == std::string_view::npos) return std::nullopt;
  return kib_value(all.substr(at + 7));
}

std::optional<Status> StatusFile::read() const {
  std::array<char, 4096> text;
  const ssize_t bytes = pread(file_.get(), text.data(), text.size(), 0);
  if (bytes <= 0) return std::nullopt;
  const Status status = parse_status({text.data(), static_cast<size_t>(bytes)});
  if (!status.complete) return std::nullopt;
  return status;
}

}  // namespace weighbridge
