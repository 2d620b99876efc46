// A cage: a cgroup of its own for one trial, which holds the worker to a limit and counts what it alone did.
//
// The worker enters it between fork and exec, by writing "0" to a descriptor of cgroup.procs: nothing of it is ever
// charged elsewhere, and the parent stays outside. The cage is made before the worker is started and read after it was
// reaped: a cgroup with no process keeps its counters until it is removed, which is what makes an out-of-memory kill
// provable. Trials without a limit get one too where that costs nothing: refaults, the events and the peak are then
// the trial's own.
//
// The folder is held by a flock(2) as long as the program that made it lives. One that is not held is a leftover of a
// program that was killed, and is taken away by the next one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/probe/cgroup.h"
#include "harness/probe/descriptor.h"
#include "reports/record.h"

namespace weighbridge {

struct CageLimits {
  reports::Figure memory_bytes, swap_bytes;  // nullopt: none
};

// Move-only. The destructor removes the cgroup and cannot say if that failed; remove() can.
class Cage {
 public:
  // Throws Error(environment): the cgroup, or one of the limits, cannot be had.
  Cage(const std::string& parent, bool v2, const CageLimits& limits);
  Cage(Cage&& other) noexcept = default;
  Cage& operator=(Cage&&) = delete;
  ~Cage();

  const std::string& folder() const { return folder_; }
  bool v2() const { return v2_; }
  int entry() const { return entry_.get(); }  // of cgroup.procs
  CgroupReading read() const { return read_cgroup(folder_, v2_); }
  // Ends whatever is still in it, waits for that, and removes it; returns why it could not, else an empty text.
  std::string remove();

 private:
  bool claim(const std::string& folder);

  std::string folder_;
  bool v2_;
  Descriptor lock_, entry_;
};

// Runs `work` in a child process inside the cage, so that what it reads is charged there; true if it ended well. The
// child may only call what is safe after fork. It dies with its parent, and is ended when `stop` says so.
bool run_inside(const Cage& cage, void (*work)(const void*), const void* argument, bool (*stop)() = nullptr);

// Where cages can be made. Found once for a run, by making one and putting a process into it.
class Cages {
 public:
  // Without `limits` (of some cell) nothing is moved or changed to make room for cages.
  explicit Cages(bool limits);
  Cages(const Cages&) = delete;
  Cages& operator=(const Cages&) = delete;
  ~Cages();  // back into the cgroup that this process came from

  bool possible() const { return !parent_.empty(); }
  const char* kind() const { return v2_ ? "cgroup v2" : "cgroup v1"; }
  const std::string& parent() const { return parent_; }
  const std::string& reason() const { return reason_; }  // why not
  Cage make(const CageLimits& limits) const { return Cage(parent_, v2_, limits); }

 private:
  bool try_parent(const std::string& folder, bool v2);
  bool find_v1(const CgroupHierarchy& found);
  bool find_v2(const CgroupHierarchy& found, bool limits);
  bool step_into_leaf(const std::string& folder);

  std::string parent_, reason_;
  bool v2_ = false;
  std::string left_, leaf_;  // where this process was before it moved itself into a leaf, and that leaf
};

}  // namespace weighbridge
