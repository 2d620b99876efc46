#include "harness/cage/cage.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <memory>

#include "harness/probe/procfs.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr const char* kPrefix = "weighbridge-";

void pause_ms(long ms) {
  const timespec time{0, ms * 1'000'000};
  nanosleep(&time, nullptr);
}

std::vector<pid_t> processes_in(const std::string& folder) {
  const ProcText text = read_proc(folder + "/cgroup.procs");
  std::vector<pid_t> pids;
  if (!text.text) return pids;
  for (const char* at = text.text->c_str(); *at != '\0';) {
    char* end = nullptr;
    const long pid = std::strtol(at, &end, 10);
    if (end == at) break;
    pids.push_back(static_cast<pid_t>(pid));
    at = *end == '\n' ? end + 1 : end;
  }
  return pids;
}

// Leftovers of programs that were killed: those whose lock is free. What is not empty cannot be removed and stays.
void sweep(const std::string& parent) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir(parent.c_str()), closedir);
  if (!folder) return;
  while (const dirent* entry = readdir(folder.get())) {
    const std::string name = entry->d_name;
    if (name.rfind(kPrefix, 0) != 0) continue;
    const std::string path = parent + "/" + name;
    const Descriptor held(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (held && flock(held.get(), LOCK_EX | LOCK_NB) == 0) rmdir(path.c_str());
  }
}

void set(const std::string& folder, const char* file, reports::Bytes bytes) {
  const std::string reason = write_proc(folder + "/" + file, std::to_string(bytes));
  if (!reason.empty()) {
    throw Error(ErrorKind::environment, fmt::format("a limit of {} bytes cannot be set: {}", bytes, reason));
  }
}

}  // namespace

// Made and locked, unless a sweep by another program came between: then false.
bool Cage::claim(const std::string& folder) {
  lock_ = Descriptor(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat held {
  }, there{};
  return lock_ && flock(lock_.get(), LOCK_EX | LOCK_NB) == 0 && fstat(lock_.get(), &held) == 0 &&
         stat(folder.c_str(), &there) == 0 && held.st_ino == there.st_ino;
}

Cage::Cage(const std::string& parent, bool v2, const CageLimits& limits) : v2_(v2) {
  static std::atomic<unsigned> number{0};
  constexpr int kMostTries = 1000;
  std::string folder;
  // The name may be taken: programs in other PID namespaces have the same pid.
  for (int tries = 0; folder_.empty(); ++tries) {
    folder = fmt::format("{}/{}{}-{}", parent, kPrefix, getpid(), ++number);
    const bool made = mkdir(folder.c_str(), 0755) == 0;
    if (!made && (errno != EEXIST || tries == kMostTries)) {
      throw system_error("mkdir below", parent, errno, ErrorKind::environment);
    }
    if (made && claim(folder)) folder_ = folder;
  }
  try {  // the destructor would not run: what fails below must clean up
    if (limits.memory_bytes) set(folder, v2 ? "memory.max" : "memory.limit_in_bytes", *limits.memory_bytes);
    if (limits.swap_bytes) {
      // Version 1 limits memory and swap together, and only above a limit on memory.
      const reports::Bytes both = *limits.swap_bytes + limits.memory_bytes.value_or(0);
      if (!v2 && !limits.memory_bytes) {
        throw Error(ErrorKind::environment, "cgroup v1 limits swap only beside memory: give a --limit too");
      }
      set(folder, v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes", v2 ? *limits.swap_bytes : both);
    }
    entry_ = Descriptor(open((folder + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    if (!entry_) throw system_error("open", folder + "/cgroup.procs", errno, ErrorKind::environment);
  } catch (...) {
    rmdir(folder.c_str());
    throw;
  }
}

Cage::~Cage() {
  if (lock_) remove();  // a Cage that was moved from holds no lock
}

std::string Cage::remove() {
  if (folder_.empty()) return {};
  // A process that was killed leaves its cgroup a moment after it was reaped.
  for (int tries = 0; tries < 2000; ++tries) {
    if (rmdir(folder_.c_str()) == 0 || errno == ENOENT) {
      folder_.clear();
      lock_ = Descriptor();
      return {};
    }
    if (errno != EBUSY) break;
    // A process of another PID namespace reads as 0, which kill(2) would take for this program's own group.
    for (const pid_t pid : processes_in(folder_)) {
      if (pid > 0 && pid != getpid()) kill(pid, SIGKILL);
    }
    pause_ms(1);
  }
  return system_error("rmdir", folder_, errno).what();
}

bool run_inside(const Cage& cage, void (*work)(const void*), const void* argument, bool (*stop)()) {
  const pid_t parent = getpid(), child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    // What goes wrong in there is this child's end, not that of the program that measures.
    const int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (score >= 0 && write(score, "1000", 4) != 4) _exit(1);
    if (write(cage.entry(), "0", 1) != 1) _exit(1);
    work(argument);
    _exit(0);
  }
  if (child < 0) return false;
  int status = 0;
  for (long pause_us = 50; waitpid(child, &status, WNOHANG) == 0; pause_us = std::min(2 * pause_us, 10'000L)) {
    if (stop != nullptr && stop()) kill(child, SIGKILL);
    const timespec pause{0, pause_us * 1000};
    nanosleep(&pause, nullptr);
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Nothing but the whole way proves that a process can be put there: cgroupfs may be read-only, the controller not
// enabled, the folder not ours, or the move refused because the folder that both have in common is not ours.
bool Cages::try_parent(const std::string& folder, bool v2) {
  try {
    sweep(folder);
    Cage cage(folder, v2, {reports::Bytes{64} << 20, std::nullopt});
    if (!run_inside(
            cage, [](const void*) {}, nullptr)) {
      reason_ = "no process can be moved into a cgroup below " + folder;
      return false;
    }
  } catch (const Error& error) {
    reason_ = error.what();
    return false;
  }
  parent_ = folder;
  v2_ = v2;
  return true;
}

bool Cages::find_v1(const CgroupHierarchy& found) {
  return try_parent(found.folder(found.own), false);
}

// A cgroup of version 2 that has processes cannot pass its memory controller on to cgroups below it, the root excepted.
// So either this process is alone in its cgroup and moves itself into a leaf, or the cage becomes a sibling, below the
// nearest cgroup above that passes the controller on: never past one that has a limit, or the cage would be a way out.
bool Cages::find_v2(const CgroupHierarchy& found, bool limits) {
  for (const std::string& path : upwards(found.own)) {
    const std::string folder = found.folder(path);
    const ProcText below = read_proc(folder + "/cgroup.subtree_control");
    const bool passes_on = below.text && (" " + *below.text).find(" memory") != std::string::npos;
    if (passes_on && try_parent(folder, true)) return true;
    if (path == found.own && limits) {
      const bool root = access((folder + "/cgroup.type").c_str(), F_OK) != 0;
      if ((root || step_into_leaf(folder)) && write_proc(folder + "/cgroup.subtree_control", "+memory").empty() &&
          try_parent(folder, true))
        return true;
    }
    if (is_limited(folder)) {
      reason_ = fmt::format("cgroup {} has a limit of its own, and no cgroup can be made below it{}{}",
                            path.empty() ? "/" : path, reason_.empty() ? "" : ": ", reason_);
      return false;
    }
  }
  if (reason_.empty())
    reason_ = "no cgroup from " + found.folder(found.own) + " upwards passes its memory controller on";
  return false;
}

bool Cages::step_into_leaf(const std::string& folder) {
  const auto inside = processes_in(folder);
  if (inside.size() != 1 || inside.front() != getpid()) {
    reason_ = folder + " has other processes, so it cannot pass its memory controller on";
    return false;
  }
  const std::string leaf = fmt::format("{}/{}{}-parent", folder, kPrefix, getpid());
  if (mkdir(leaf.c_str(), 0755) != 0 && errno != EEXIST) {
    reason_ = system_error("mkdir", leaf, errno).what();
    return false;
  }
  if (const std::string failed = write_proc(leaf + "/cgroup.procs", "0"); !failed.empty()) {
    reason_ = failed;
    rmdir(leaf.c_str());
    return false;
  }
  left_ = folder;
  leaf_ = leaf;
  return true;
}

Cages::Cages(bool limits) {
  const auto found = memory_hierarchy(reason_);
  if (found) found->v2 ? find_v2(*found, limits) : find_v1(*found);
  if (possible()) reason_.clear();
}

Cages::~Cages() {
  if (leaf_.empty()) return;
  write_proc(left_ + "/cgroup.subtree_control", "-memory");  // or no process could go back
  write_proc(left_ + "/cgroup.procs", "0");
  rmdir(leaf_.c_str());
}

}  // namespace weighbridge
