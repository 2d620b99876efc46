// A worker as the parent holds it: started, talked to, killed, reaped. Never leaked: the destructor kills and reaps.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "harness/probe/descriptor.h"
#include "harness/worker/job.h"
#include "harness/worker/protocol.h"
#include "harness/worker/shared_page.h"

namespace weighbridge {

// An empty memfd. Throws Error(environment).
Descriptor make_memfd(const char* name);

struct WorkerSettings {
  std::string program;  // the weighbridge-worker to start
  bool metered = true;  // readings before releases; off only to measure what they cost
  bool thp_off = true;  // no transparent huge pages: an idle worker's floor is 18.7 MiB with them and 0.7 without
  int reference = -1;   // memfd with the reference hashes, passed on; -1: none
  int cage_entry = -1;  // cgroup.procs of the cage that it enters before it is the worker; -1: none
};

struct Ending {
  std::optional<int> exit_status;  // it exited
  std::optional<int> signal;       // it was killed
  uint64_t cpu_ns = 0;             // user + system over its whole life
};

class WorkerProcess {
 public:
  // Starts it. Call from the main thread only: the worker dies with the thread that started it (PR_SET_PDEATHSIG).
  // Throws Error(environment) where it cannot be forked; a program that cannot be executed shows as a failure in the
  // page.
  WorkerProcess(const Job& job, const WorkerSettings& settings);
  WorkerProcess(const WorkerProcess&) = delete;
  ~WorkerProcess();

  pid_t pid() const { return pid_; }
  SharedPage& page() const { return *page_; }
  int control() const { return control_.get(); }

  // The next message; nullopt at the end of the stream, which is the worker's end. Blocks.
  std::optional<Message> receive();
  void go();
  void kill();
  // Waits until a message or the worker's end can be had, but no longer than `ns`; false if neither came. After
  // `stream_ended` only the end is waited for: a worker that closed its socket and lives on must not stall its parent.
  bool wait(uint64_t ns, bool stream_ended);
  bool has_ended() const;  // and waits to be reaped
  // Waits for the end and reaps; once.
  Ending reap();
  // The answer of a describe or reference job. Throws Error(environment) above 1 MiB: the parent stays small.
  std::string reply() const;

 private:
  SharedPageMapping page_;
  Descriptor control_, reply_, process_;  // the last is a pidfd; none before Linux 5.3
  pid_t pid_ = -1;
};

// Runs a job that answers (describe, reference, inspect) to its end. `tick` is called about every 100 ms with the page.
// Throws what the worker failed with, as an Error of the same kind. A worker that crashed is Error(bad_input) that says
// so, since a checkpoint is the only input it has; one that was killed is Error(environment).
std::string run_job(const Job& job, const WorkerSettings& settings, const std::function<void(const SharedPage&)>& tick);

}  // namespace weighbridge
