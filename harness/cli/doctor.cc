// weighbridge doctor: what this machine lets us measure, and why not the rest.
//
// It does not guess: it loads a checkpoint of one megabyte by the same worker, probes and sampler as `run`, and prints
// what came out null with the reasons that the record would have.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "harness/cage/cage.h"
#include "harness/cli/console.h"
#include "harness/cli/matrix_options.h"
#include "harness/cli/verb.h"
#include "harness/probe/descriptor.h"
#include "harness/run/interrupt.h"
#include "harness/run/lock_self.h"
#include "harness/run/matrix.h"
#include "reports/units.h"
#include "strategies/error.h"

namespace weighbridge::cli {
namespace {

// One f32 tensor of 1 MiB in a temporary file, removed with the object.
class TinyCheckpoint {
 public:
  TinyCheckpoint() {
    const char* folder = std::getenv("TMPDIR");
    path_ = std::string(folder != nullptr && *folder != '\0' ? folder : "/tmp") + "/weighbridge-doctor-XXXXXX";
    const Descriptor file(mkstemp(path_.data()));
    if (!file) throw system_error("mkstemp", path_, errno, ErrorKind::environment);
    const std::string header = R"({"weight":{"dtype":"F32","shape":[512,512],"data_offsets":[0,1048576]}})";
    const uint64_t length = header.size();
    std::string bytes(reinterpret_cast<const char*>(&length), sizeof(length));
    bytes += header + std::string(1048576, '\x3c');
    const bool written = write(file.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
    if (!written) {
      unlink(path_.c_str());
      throw Error(ErrorKind::environment, "a temporary file of 1 MiB could not be written: " + path_);
    }
  }
  TinyCheckpoint(const TinyCheckpoint&) = delete;
  ~TinyCheckpoint() { unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Row {
  const char* figure;
  const char* meaning;
};
constexpr Row kFigures[] = {
    {"need_bytes", "the need's exact peak, split into anon, shmem and swap"},
    {"peak_rss_bytes", "peak resident set per phase"},
    {"page_table_bytes", "page tables"},
    {"minor_faults", "minor page faults per phase"},
    {"major_faults", "major page faults per phase"},
    {"pss_bytes", "proportional set size"},
    {"lazy_free_bytes", "pages freed lazily"},
    {"system_swap_in_pages", "swap activity of the machine"},
    {"psi_some_ns", "memory stalls (PSI), some"},
    {"psi_full_ns", "memory stalls (PSI), full"},
    {"cgroup_peak_bytes", "peak usage of a cgroup of its own"},
    {"cgroup_swap_peak_bytes", "peak swap of a cgroup of its own"},
    {"refault_file_pages", "file pages taken back and read again"},
    {"limit_hits", "times that a limit was hit"},
    {"cgroup_psi_full_ns", "memory stalls of a cgroup alone"},
    {"cached_before_bytes", "the checkpoint's share of the page cache"},
};

class Doctor : public Verb {
 public:
  const char* name() const override { return "doctor"; }
  const char* summary() const override { return "what this machine lets us measure, and why not the rest"; }
  const char* examples() const override { return "  weighbridge doctor"; }
  void define(CLI::App&) override {}

  int run() override {
    catch_interrupts();
    const TinyCheckpoint checkpoint;
    MatrixRequest request;
    request.model = checkpoint.path();
    request.strategies = {"eager"};
    request.dtypes = {"native"};
    request.repeat = 1;
    request.worker.program = worker_program();
    MatrixEvents silent;
    const reports::Record record = run_matrix(request, silent);
    if (record.settings.interrupted) throw Interrupted();
    const reports::Trial& trial = record.cells.at(0).trials.at(0);

    std::string text = machine_text(record);
    text += "\nFIGURE                  HERE\n";
    const bool measured = trial.phases.size() == 4;
    bool whole = measured;
    for (const Row& row : kFigures) {
      const auto reason = trial.unavailable.find(row.figure);
      const bool there = measured && reason == trial.unavailable.end();
      whole = whole && there;
      text += fmt::format("{:<22}  {:<3}  {}\n", row.figure, there ? "yes" : "no",
                          there      ? row.meaning
                          : measured ? reason->second
                                     : trial.reason);
    }
    for (const auto& entry : trial.unavailable) {  // and whatever else is null
      const bool listed = std::any_of(std::begin(kFigures), std::end(kFigures),
                                      [&](const Row& row) { return entry.first == row.figure; });
      if (listed) continue;
      whole = false;
      text += fmt::format("{:<22}  no   {}\n", entry.first, entry.second);
    }
    text += fmt::format("{:<22}  {:<3}  {} samples in {}\n", "timeline", trial.timeline.size() > 0 ? "yes" : "no",
                        trial.timeline.samples_taken, "one short trial");
    text += fmt::format("\n{}\n", !measured ? "nothing can be measured here: " + trial.reason
                                  : whole   ? std::string("everything can be measured here.")
                                            : "what says no is null in a record, with this reason; the rest is exact.");
    print(text);
    return measured ? kDone : kEnvironment;
  }

 private:
  static std::string machine_text(const reports::Record& record) {
    const reports::Machine& machine = record.machine;
    std::string text = fmt::format(
        "machine     {}, {} CPUs, {}\nkernel      {}, {}\nmemory      {} of {} available, swap {} of {} free\n",
        machine.cpu, machine.cpus, machine.hostname, machine.kernel, machine.distribution,
        reports::human(machine.available_bytes), reports::human(machine.memory_bytes),
        reports::human(machine.swap_free_bytes), reports::human(machine.swap_bytes));
    text += fmt::format("huge pages  {} (workers run without them unless --thp inherit)\nallocator   {}\n",
                        machine.thp.empty() ? "unknown" : machine.thp, machine.allocator);
    text += fmt::format("RSS error   {} ({})\n", reports::human(machine.error_bytes), machine.error_source);
    const char* label = "limits";
    for (const reports::Limit& limit : machine.limits) {
      text += fmt::format("{:<11} {} {}{}\n", label, reports::human(limit.bytes), limit.source,
                          &limit == record.limit() ? "   <- this one bites" : "");
      label = "";
    }
    const Locked locked = lock_self();
    text += fmt::format("itself      {} locked in memory{}\n", reports::human(locked.bytes),
                        locked.reason.empty() ? "" : ", not all: " + locked.reason);
    return text + cages_text();
  }

  static std::string cages_text() {
    const Cages cages(true);
    if (cages.possible()) return fmt::format("cages       {} below {}\n", cages.kind(), cages.parent());
    return fmt::format("cages       none: {}\n{:<12}run --limit asks systemd for a scope, else the limit is watched\n",
                       cages.reason(), "");
  }
};

}  // namespace

std::unique_ptr<Verb> make_doctor() {
  return std::make_unique<Doctor>();
}

}  // namespace weighbridge::cli
