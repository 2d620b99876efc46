// What became of a trial and of a cell.
//
// A trial that was stopped gets its word from whoever saw it stop: the harness. One that ended by itself is judged
// here, from its figures, by the first rule that holds:
//
//   over-limit       need and page tables passed the limit between two looks of a watched cage; never in a cgroup,
//   where
//                    the kernel holds the limit, and a need that seems above it has its swap or a counter's lag in it
//   thrashed         refaults + swap-ins above the bytes one pass touches, or stood still for memory (PSI full) for
//   above
//                    25 % of the wall time. Of its own cgroup that is proof; of the whole machine it counts only while
//                    the trial itself had refaults, swap, or major faults beyond a first cold pass
//   swapped          swap peak above 1 MiB
//   fits-reclaiming  refaulted file bytes above 1 % of the stored bytes: it runs because page cache is given back
//   fits
#pragma once

#include <string>
#include <string_view>

#include "reports/record.h"

namespace weighbridge::reports {

inline constexpr std::string_view kWatchedCage = "watched";  // Cell::cage where the parent watches the limit

namespace verdict {
inline constexpr std::string_view failed = "failed";                // an error; its message is the reason
inline constexpr std::string_view timed_out = "timed-out";          // --timeout
inline constexpr std::string_view oom_killed = "oom-killed";        // by the kernel; the reason says whose limit
inline constexpr std::string_view over_limit = "over-limit";        // passed a limit that only the parent watches
inline constexpr std::string_view refused = "refused";              // an allocation failed
inline constexpr std::string_view killed = "killed";                // by a signal from outside
inline constexpr std::string_view guard_stopped = "guard-stopped";  // before the machine starved
inline constexpr std::string_view thrashed = "thrashed";
inline constexpr std::string_view swapped = "swapped";
inline constexpr std::string_view fits_reclaiming = "fits-reclaiming";
inline constexpr std::string_view fits = "fits";
inline constexpr std::string_view interrupted = "interrupted";  // Ctrl-C or a crash while it ran
inline constexpr std::string_view not_run = "not-run";
}  // namespace verdict

// 0 for the worst, in the order above, which is the order in which the first that holds is taken. `interrupted` and
// `not-run` stand last: they say nothing about the cell, so any other trial speaks for it. An unknown word is as bad
// as `failed`.
int severity(std::string_view verdict);

bool is_verdict(std::string_view word);
bool does_fit(std::string_view verdict);         // fits, fits-reclaiming
bool does_not_fit(std::string_view verdict);     // memory was what stopped or slowed it: oom-killed ... swapped
bool did_not_finish(std::string_view verdict);   // failed, timed-out, killed, interrupted: says nothing of memory
bool ended_by_itself(std::string_view verdict);  // fitting, swapped or thrashed: its figures are whole
bool was_tried(std::string_view verdict);        // neither interrupted nor not-run

struct Judgement {
  std::string verdict;
  std::string reason;  // one sentence, for a person
};

// Of a trial that ended by itself. Of the cell only limit_bytes and cage count, of the machine page_bytes and
// error_bytes.
Judgement judge(const Trial& trial, const Checkpoint& checkpoint, const Cell& cell, const Machine& machine);

// File bytes that had to be read again because the kernel had taken them back.
// A warm start has read the files once before the trial. What of them is pushed out before the trial comes to it counts
// as a refault in the kernel, though it is what a cold start reads for the first time, too: one pass is taken off, or a
// warm page cache would make a verdict worse.
Bytes refaulted_bytes(const Trial& trial, const Checkpoint& checkpoint, const Cell& cell, Bytes page_bytes);

}  // namespace weighbridge::reports
