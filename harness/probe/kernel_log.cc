#include "harness/probe/kernel_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

#include "strategies/error.h"

namespace weighbridge {
namespace {

// The text between `key` and the next comma or blank; empty where there is no such key.
std::string_view after(std::string_view line, std::string_view key) {
  const size_t at = line.find(key);
  if (at == std::string_view::npos) return {};
  line.remove_prefix(at + key.size());
  return line.substr(0, line.find_first_of(", "));
}

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end != text.data() ? std::optional(value) : std::nullopt;
}

reports::Figure kib_after(std::string_view line, std::string_view key) {
  const auto kib = number(after(line, key));
  return kib ? reports::Figure(*kib * 1024) : std::nullopt;
}

}  // namespace

std::vector<OomLines> parse_oom_lines(const std::vector<std::string>& lines) {
  std::vector<OomLines> kills;
  for (const std::string& line : lines) {
    // "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a/b,task_memcg=/a/b,
    //  task=weighbridge-wor,pid=4711,uid=0"
    if (line.rfind("oom-kill:", 0) == 0) {
      OomLines kill;
      kill.text = line;
      kill.pid = static_cast<pid_t>(number(after(line, ",pid=")).value_or(0));
      kill.constraint = after(line, "constraint=");
      kill.limit_of = after(line, "oom_memcg=");
      kill.victim_in = after(line, "task_memcg=");
      kills.push_back(std::move(kill));
    }
    // "Memory cgroup out of memory: Killed process 4711 (weighbridge-wor) total-vm:..kB, anon-rss:204032kB,
    //  file-rss:1084kB, shmem-rss:0kB, UID:0 pgtables:468kB oom_score_adj:1000"
    const std::string_view killed = after(line, "Killed process ");
    if (killed.empty()) continue;
    const auto pid = static_cast<pid_t>(number(killed).value_or(0));
    if (kills.empty() || kills.back().pid != pid) kills.push_back({line, pid, "", "", "", {}, {}, {}, {}});
    OomLines& kill = kills.back();
    if (kill.text != line) kill.text += "; " + line;
    kill.anon_rss_bytes = kib_after(line, "anon-rss:");
    kill.file_rss_bytes = kib_after(line, "file-rss:");
    kill.shmem_rss_bytes = kib_after(line, "shmem-rss:");
    kill.page_table_bytes = kib_after(line, "pgtables:");
  }
  return kills;
}

KernelLog::KernelLog() : file_(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
  if (!file_ || lseek(file_.get(), 0, SEEK_END) < 0) {
    reason_ = system_error("open", "/dev/kmsg", errno).what();
    file_ = Descriptor();
  }
}

std::vector<OomLines> KernelLog::kills() {
  if (!file_) return {};
  std::array<char, 8192> record;  // a read gives one record: "6,1234,5678,-;text\n KEY=value\n"
  for (;;) {
    const ssize_t bytes = read(file_.get(), record.data(), record.size());
    if (bytes < 0 && errno == EPIPE) continue;  // records were overwritten before they were read
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) break;
    const std::string_view text(record.data(), static_cast<size_t>(bytes));
    const size_t start = text.find(';');
    if (start == std::string_view::npos) continue;
    const std::string_view line = text.substr(start + 1, text.find('\n', start) - start - 1);
    if (line.rfind("oom-kill:", 0) == 0 || line.find("Killed process ") != std::string_view::npos)
      lines_.emplace_back(line);
  }
  return parse_oom_lines(lines_);
}

}  // namespace weighbridge
