#include "reports/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "reports/phases.h"
#include "reports/units.h"

namespace weighbridge::reports {
namespace {

constexpr std::array kWorstFirst = {
    verdict::failed, verdict::timed_out,     verdict::oom_killed, verdict::over_limit, verdict::refused,
    verdict::killed, verdict::guard_stopped, verdict::thrashed,   verdict::swapped,    verdict::fits_reclaiming,
    verdict::fits,   verdict::interrupted,   verdict::not_run,
};

constexpr Bytes kMiB = 1 << 20;
constexpr Bytes kSwapThatCounts = kMiB;
// Pages of the program's own code and libraries that a first run may have to read from disk.
constexpr uint64_t kOwnColdFaults = 256;

// What one pass over the weights touches: the stored bytes when they are used where they lie, else what was kept.
Bytes touched_bytes(const Trial& trial, const Checkpoint& checkpoint) {
  Bytes touched = checkpoint.bytes;
  for (const Phase& phase : trial.phases) touched = std::max(touched, phase.heap_peak_bytes.weights);
  return touched;
}

// With the cage's workingset_refault_anon the kernel says it itself. pswpin counts the whole machine: a trial that had
// nothing in swap cannot have read any of it back, so that count is taken only when the trial swapped, or when that is
// not known.
Bytes swapped_in_bytes(const Trial& trial, Bytes page_bytes) {
  if (const Figure pages = sum(trial, &Phase::refault_anon_pages)) return *pages * page_bytes;
  const Figure swap_peak = largest(trial, &Phase::swap_peak_bytes);
  if (swap_peak && *swap_peak == 0) return 0;
  return sum(trial, &Phase::system_swap_in_pages).value_or(0) * page_bytes;
}

// Major faults count three things: first reads of cold file pages, swap-ins, and refaults. So whatever the first two
// can explain is taken off. One cold pass needs at most a fault for every page of the files that was not cached before
// (commonly a 32nd of that, as readahead brings 128 KiB at a time), every swap-in may have been a fault, and the
// program's own code may have been cold. What is left are refaults; readahead makes the true number of bytes larger,
// never smaller.
uint64_t unexplained_faults(const Trial& trial, const Checkpoint& checkpoint, Bytes page_bytes) {
  const Bytes file_bytes = std::max(checkpoint.file_bytes, checkpoint.bytes);
  const Bytes cold = file_bytes - std::min(file_bytes, trial.cached_before_bytes.value_or(0));
  const uint64_t explained =
      (cold + page_bytes - 1) / page_bytes + kOwnColdFaults + swapped_in_bytes(trial, page_bytes) / page_bytes;
  const uint64_t faults = sum(trial, &Phase::major_faults).value_or(0);
  return faults > explained ? faults - explained : 0;
}

// How a trial stood still for memory for a quarter of its time, and by whose doing; empty when it did not.
std::string stalled(const Trial& trial, Bytes refaulted, const Figure& swap_peak, uint64_t faults) {
  const uint64_t wall_ns = sum(trial, &Phase::wall_ns);
  const auto still = [&](uint64_t stalled_ns) {
    return fmt::format("stood still for {} of {} waiting for memory", human_duration(stalled_ns),
                       human_duration(wall_ns));
  };
  // In its own cgroup nobody waits but the trial, and for no other limit.
  if (const Figure own_ns = sum(trial, &Phase::cgroup_psi_full_ns)) {
    return *own_ns > wall_ns / 4 ? still(*own_ns) + " (PSI full of its own cgroup)" : "";
  }
  // PSI is of the whole machine: that all of it stood still is this trial's doing only if it lost memory itself.
  const uint64_t machine_ns = sum(trial, &Phase::psi_full_ns).value_or(0);
  const Bytes swapped = swap_peak.value_or(0);
  if (machine_ns <= wall_ns / 4 || (refaulted == 0 && swapped == 0 && faults == 0)) return "";
  const std::string own =
      refaulted > 0 ? fmt::format("read {} again that had been taken from it", human(refaulted))
      : swapped > 0 ? fmt::format("had up to {} in swap", human(swapped))
                    : fmt::format("had {} beyond a first cold pass", counted(faults, "major fault", "major faults"));
  return fmt::format("the machine {} (PSI full), and the trial itself {}", still(machine_ns), own);
}

struct Need {  // the phase at whose peak need and page tables together were largest
  Bytes need = 0, resident = 0, page_tables = 0;
  std::string phase;
};

Need heaviest(const Trial& trial) {
  Need most;
  for (const Phase& phase : trial.phases) {
    const Bytes tables = phase.page_table_bytes.value_or(0);
    if (phase.need_peak_bytes + tables > most.need + most.page_tables) {
      // What lies in swap is outside a memory limit.
      const Bytes swap = std::min(phase.at_peak.swap, phase.need_peak_bytes);
      most = {phase.need_peak_bytes, phase.need_peak_bytes - swap, tables, phase.name};
    }
  }
  return most;
}

}  // namespace

int severity(std::string_view word) {
  const auto found = std::find(kWorstFirst.begin(), kWorstFirst.end(), word);
  return found == kWorstFirst.end() ? 0 : static_cast<int>(found - kWorstFirst.begin());
}

bool is_verdict(std::string_view word) {
  return std::find(kWorstFirst.begin(), kWorstFirst.end(), word) != kWorstFirst.end();
}

bool does_fit(std::string_view word) {
  return word == verdict::fits || word == verdict::fits_reclaiming;
}

bool does_not_fit(std::string_view word) {
  return word == verdict::oom_killed || word == verdict::over_limit || word == verdict::refused ||
         word == verdict::guard_stopped || word == verdict::thrashed || word == verdict::swapped;
}

bool did_not_finish(std::string_view word) {
  return !word.empty() && !does_fit(word) && !does_not_fit(word) && word != verdict::not_run;
}

bool ended_by_itself(std::string_view word) {
  return does_fit(word) || word == verdict::swapped || word == verdict::thrashed;
}

bool was_tried(std::string_view word) {
  return word != verdict::interrupted && word != verdict::not_run;
}

// With the cage's workingset_refault_file the kernel says it itself. Without, major faults are what is left.
Bytes refaulted_bytes(const Trial& trial, const Checkpoint& checkpoint, const Cell& cell, Bytes page_bytes) {
  if (const Figure pages = sum(trial, &Phase::refault_file_pages)) {
    const Bytes first = cell.cache == "warm" ? std::max(checkpoint.file_bytes, checkpoint.bytes) : 0;
    return *pages * page_bytes - std::min(*pages * page_bytes, first);
  }
  return unexplained_faults(trial, checkpoint, page_bytes) * page_bytes;
}

Judgement judge(const Trial& trial, const Checkpoint& checkpoint, const Cell& cell, const Machine& machine) {
  const Bytes page_bytes = machine.page_bytes == 0 ? 4096 : machine.page_bytes;
  const Figure& limit = cell.limit_bytes;
  const Need most = heaviest(trial);
  const std::string needed =
      limit ? fmt::format("needed {} of {}", human(most.need), human(*limit)) : "needed " + human(most.need);

  const bool watched = cell.cage == kWatchedCage;
  if (watched && limit && most.resident + most.page_tables > *limit + machine.error_bytes) {
    return {std::string(verdict::over_limit),
            fmt::format("needed {} of {}, page tables of {} included, in phase {}; it ended before it could be stopped",
                        human(most.need + most.page_tables), human(*limit), human(most.page_tables), most.phase)};
  }

  const Bytes refaulted = refaulted_bytes(trial, checkpoint, cell, page_bytes);
  const Bytes swapped_in = swapped_in_bytes(trial, page_bytes);
  const Bytes touched = touched_bytes(trial, checkpoint);
  if (refaulted + swapped_in > touched) {
    return {std::string(verdict::thrashed),
            fmt::format("read {} again that had been taken from it (file pages {}, swap {}), more than the {} that one "
                        "pass touches",
                        human(refaulted + swapped_in), human(refaulted), human(swapped_in), human(touched))};
  }
  const Figure swap_peak = largest(trial, &Phase::swap_peak_bytes);
  if (const std::string stall = stalled(trial, refaulted, swap_peak, unexplained_faults(trial, checkpoint, page_bytes));
      !stall.empty()) {
    return {std::string(verdict::thrashed), stall};
  }

  if (swap_peak && *swap_peak > kSwapThatCounts) {
    return {std::string(verdict::swapped), fmt::format("{}, up to {} of it in swap", needed, human(*swap_peak))};
  }
  if (static_cast<double>(refaulted) > 0.01 * static_cast<double>(checkpoint.bytes)) {
    return {std::string(verdict::fits_reclaiming),
            fmt::format("{}; page cache was taken back, and {} read again", needed, human(refaulted))};
  }
  return {std::string(verdict::fits), needed};
}

}  // namespace weighbridge::reports
