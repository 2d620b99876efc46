#include "harness/probe/procfs.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "harness/probe/descriptor.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr size_t kMostBytes = 256u << 10;

}  // namespace

ProcText read_proc(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return {std::nullopt, system_error("open", path, errno).what()};
  std::string text;
  char block[4096];
  ssize_t bytes = 0;
  while (text.size() < kMostBytes && (bytes = read(file.get(), block, sizeof(block))) > 0) {
    text.append(block, static_cast<size_t>(bytes));
  }
  if (bytes < 0) return {std::nullopt, system_error("read", path, errno).what()};
  return {std::move(text), {}};
}

std::optional<uint64_t> number_after(std::string_view text, std::string_view key) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (line.substr(0, key.size()) != key) continue;
    line.remove_prefix(key.size());
    if (!line.empty() && line[0] != ' ' && line[0] != '\t') continue;  // "pswpin" is not "pswpin_zero"
    const size_t first = line.find_first_of("0123456789");
    if (first == std::string_view::npos) return std::nullopt;
    uint64_t value = 0;
    for (size_t i = first; i < line.size() && line[i] >= '0' && line[i] <= '9'; ++i) {
      value = value * 10 + static_cast<uint64_t>(line[i] - '0');
    }
    return value;
  }
  return std::nullopt;
}

std::optional<uint64_t> stall_ns(const ProcText& pressure, std::string_view which) {
  if (!pressure.text) return std::nullopt;
  // "some avg10=0.00 avg60=0.00 avg300=0.00 total=1913337", in microseconds
  const size_t line = pressure.text->find(which);
  const size_t total = line == std::string::npos ? line : pressure.text->find("total=", line);
  if (total == std::string::npos) return std::nullopt;
  return std::strtoull(pressure.text->c_str() + total + 6, nullptr, 10) * 1000;
}

std::string write_proc(const std::string& path, std::string_view text) {
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file) return system_error("open", path, errno).what();
  const ssize_t bytes = write(file.get(), text.data(), text.size());
  return bytes == static_cast<ssize_t>(text.size()) ? std::string() : system_error("write", path, errno).what();
}

}  // namespace weighbridge
