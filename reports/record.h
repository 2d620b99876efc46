// The record: all that was measured, as plain values. Every rendering starts from it and nothing else.
//
// Bytes and nanoseconds are integers. What could not be measured is nullopt, and the reason stands in the nearest
// `unavailable` under the figure's name. What each figure means and where it comes from is said once, in
// schema/record.schema.json.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weighbridge::reports {

using Bytes = uint64_t;
using Figure = std::optional<uint64_t>;
using Reasons = std::map<std::string, std::string>;  // figure -> why it is null

struct Split {  // of the resident set and swap at one instant
  Bytes anon = 0, shmem = 0, file = 0, swap = 0, hugetlb = 0;
  Bytes weights = 0, staging = 0;  // allocated through Memory at that instant
  Bytes overhead = 0;              // the rest of the need: max(0, need - weights - staging)
  Bytes need() const { return anon + shmem + swap + hugetlb; }
  Bytes rss() const { return anon + shmem + file + hugetlb; }
  bool operator==(const Split&) const = default;
};

struct HeapPeak {
  Bytes weights = 0, staging = 0, overhead = 0;
  bool operator==(const HeapPeak&) const = default;
};

struct AllocatorFigures {  // jemalloc, one per purpose, at the end of a phase
  Bytes allocated = 0, active = 0, resident = 0, retained = 0, metadata = 0;
  bool operator==(const AllocatorFigures&) const = default;
};

struct Phase {
  std::string name;  // open, load, use, release
  uint64_t wall_ns = 0, cpu_ns = 0;
  Figure peak_rss_bytes;  // VmHWM, reset at the phase's start
  Bytes need_peak_bytes = 0;
  Figure need_end_bytes;
  Bytes file_peak_bytes = 0;  // largest RssFile
  Figure swap_peak_bytes;
  Figure page_table_bytes;  // VmPTE at the end
  Split at_peak;
  HeapPeak heap_peak_bytes;
  std::map<std::string, AllocatorFigures> allocator;  // weights, staging, overhead; empty without jemalloc
  Figure minor_faults, major_faults;
  Figure lazy_free_bytes, pss_bytes;              // smaps_rollup at the end
  Figure refault_file_pages, refault_anon_pages;  // of the trial's own cgroup, over the phase
  Figure limit_hits;                              // times its cgroup was at the limit and had to reclaim
  Figure cgroup_usage_bytes;                      // all that is charged to its cgroup, at the end; and of that:
  Figure cgroup_anon_bytes, cgroup_file_bytes, cgroup_shmem_bytes, cgroup_kernel_bytes;
  Figure cgroup_psi_some_ns, cgroup_psi_full_ns;       // memory stall of its cgroup alone, over the phase
  Figure system_swap_in_pages, system_swap_out_pages;  // the whole machine, over the phase
  Figure psi_some_ns, psi_full_ns;                     // memory pressure of the whole machine, over the phase
  bool operator==(const Phase&) const = default;
};

struct Timeline {              // rows in time order; merged so that every peak survives
  std::vector<uint64_t> t_ns;  // since the worker was ready
  std::vector<uint32_t> anon_kib, file_kib, shmem_kib, swap_kib, weights_kib, staging_kib;
  uint64_t samples_taken = 0;  // before merging
  size_t size() const { return t_ns.size(); }
  bool operator==(const Timeline&) const = default;
};

// What a verdict rests on: one source and what it said. Figures of it that are numbers stand apart.
struct Evidence {
  std::string source;  // "memory.events of the cage", "kernel log", "wait status", ...
  std::string said;    // its own words, or a sentence
  std::vector<std::pair<std::string, uint64_t>> figures;  // "oom_kill_before" -> 0, "anon_rss_bytes" -> 123
  bool operator==(const Evidence&) const = default;
};

struct Remark {      // what a person should know of a checkpoint, or of a load, that went well all the same
  std::string id;    // "asks-to-run-code", "optimizer-state", "left-out", "chosen", ...
  std::string text;  // one sentence without its full stop
  Bytes bytes = 0;   // of the tensors it speaks of
  bool operator==(const Remark&) const = default;
};

struct Trial {
  int number = 0;       // 1.. within the cell
  int order = 0;        // 1.. within the run, as shuffled
  std::string verdict;  // verdict.h
  std::string reason;   // one sentence, for a person
  std::string checksum;
  std::string reached;                   // the phase it was in when it ended; "start" before `open`
  Figure floor_bytes, floor_file_bytes;  // null when it ended before it was ready
  std::vector<Phase> phases;
  std::vector<std::pair<std::string, uint64_t>> phase_start_ns;  // on the timeline's clock
  Timeline timeline;
  Figure cached_before_bytes, cached_after_bytes;  // of the checkpoint's files in the page cache
  std::optional<int> exit_status, exit_signal;
  Figure cgroup_peak_bytes, cgroup_swap_peak_bytes;  // of the trial's own cgroup; censored at a limit
  std::vector<Evidence> evidence;                    // of how it ended; empty where it ended by itself
  std::vector<Remark> remarks;                       // of how it read: by what engine, what the kernel refused
  Reasons unavailable;
  bool operator==(const Trial&) const = default;
};

struct Prediction {  // without the floor
  Bytes need_bytes = 0, reclaimable_bytes = 0;
  Bytes weights_bytes = 0, staging_bytes = 0, overhead_bytes = 0;  // the split at the predicted peak
  // How far a measured need, without the floor, lies outside of what was predicted; negative: below it.
  int64_t off(Bytes measured) const;
  Figure least_need_bytes =
      std::nullopt;  // where several threads load: the peak lies between this and need_bytes; else null
  Figure floor_bytes = std::nullopt;  // of a worker like the one that will load, measured before it opened anything
  Figure page_table_bytes =
      std::nullopt;  // what page tables add where need and they are highest together, the floor's included
  Figure limit_bytes = std::nullopt;  // forecast.h: the smallest limit to ask for
  Bytes most_weights_bytes = 0;       // the most that is held of the weights at one time
  Bytes disk_bytes = 0;               // of files that the load leaves behind
  bool operator==(const Prediction&) const = default;
};

struct Accuracy {
  uint64_t elements = 0, overflowed = 0, flushed = 0, clipped = 0, nan_lost = 0;
  double max_abs_error = 0, rmse = 0;
  std::optional<double> sqnr_db;  // null: no error at all, or no signal
  std::string worst_tensor;       // by SQNR; empty when there is no error
  std::optional<double> worst_sqnr_db;
  bool operator==(const Accuracy&) const = default;
};

struct Cell {
  std::string strategy;
  std::map<std::string, std::string> options;
  std::string plugin;  // path of the library that the strategy is of; empty: it is built in
  std::string dtype;
  Figure limit_bytes, swap_limit_bytes;  // nullopt: no limit of its own
  std::string cage;                      // what holds the limit: "cgroup v2", "cgroup v1", "watched"; empty: nothing
  std::string cache = "warm";
  std::string verdict, reason, checksum;
  std::optional<Prediction> predicted;  // nullopt: no plan, or not predictable
  Figure need_bytes, need_error_bytes, floor_bytes, reclaimable_bytes, peak_rss_bytes, page_table_bytes;
  std::optional<Split> at_peak;
  std::string peak_phase;
  Figure minor_faults, major_faults, swap_peak_bytes, cpu_ns, wall_ns;  // medians over the trials
  std::optional<Accuracy> accuracy;                                     // nullopt: nothing was converted
  uint64_t kept_native_tensors = 0;                                     // could not be converted to the dtype asked for
  std::map<std::string, Bytes> fallen_back;  // why tensors were read as eager does, not the strategy's way -> bytes
  std::vector<Trial> trials;
  Reasons unavailable;
  bool operator==(const Cell&) const = default;
};

struct Limit {         // one bound on this process's memory
  std::string source;  // "cgroup /kubepods/x (memory.max)", "available memory (MemAvailable)"
  Bytes bytes = 0;
  std::string bounds = kBoundsMemory;  // what is counted against it
  static constexpr const char* kBoundsMemory = "memory";
  static constexpr const char* kBoundsAddressSpace = "address space";  // mappings too, whether read or not
  static constexpr const char* kBoundsLocked = "locked memory";        // never what a load runs into
  bool operator==(const Limit&) const = default;
};

struct Machine {
  std::string hostname, kernel, distribution, cpu, allocator;
  int cpus = 0;
  Bytes page_bytes = 0, memory_bytes = 0, available_bytes = 0, swap_bytes = 0, swap_free_bytes = 0;
  Bytes error_bytes = 0;  // how far the kernel's RSS counters may lag behind the truth here
  std::string error_source;
  std::string thp;            // of the machine: always, madvise, never
  std::vector<Limit> limits;  // every bound found; the smallest bites
  Reasons unavailable;
  bool operator==(const Machine&) const = default;
};

inline constexpr const char* kAskedLimit = "--limit";  // Limit::source of one that a person asked a plan about

inline constexpr const char* kAsksToRunCode = "asks-to-run-code";  // remarks that findings speak of
inline constexpr const char* kOptimizerState = "optimizer-state";
inline constexpr const char* kTied = "tied";  // what the names and shapes say; plan and inspect show it
inline constexpr const char* kPerhapsTied = "perhaps-tied";
inline constexpr const char* kExperts = "experts";
inline constexpr const char* kAveraged = "averaged";
inline constexpr const char* kRead = "read";       // which file of a folder, where there was one alone
inline constexpr const char* kReadBy = "read-by";  // of a load: who read, and how many reads at a time

struct Checkpoint {
  std::string path, format, filesystem;
  Bytes bytes = 0;  // stored bytes of the tensors
  Bytes file_bytes = 0;
  uint64_t files = 0, tensors = 0, parameters = 0;
  Bytes largest_tensor_bytes = 0;
  std::string largest_layer;               // told from the tensors' names
  Bytes largest_layer_bytes = 0;           // stored bytes
  Bytes tied_bytes = 0;                    // of tensors whose elements are another's: not in `bytes`
  std::map<std::string, Bytes> dtypes;     // stored dtype -> bytes
  std::map<std::string, Bytes> encodings;  // why tensors do not lie plainly in their file -> bytes
  std::vector<Remark> remarks;
  bool operator==(const Checkpoint&) const = default;
};

struct Plugin {  // a shared library that brought strategies of its own
  std::string path, name, version;
  std::string sha256;  // of the file
  bool operator==(const Plugin&) const = default;
};

struct Settings {
  uint64_t seed = 0;
  int repeat = 1, passes = 1;
  std::string cache, thp;
  uint64_t sample_interval_ns = 0;  // 0: the sampler was off
  bool interrupted = false;
  int resumed = 0;       // times that --resume went on with this run
  Figure reserve_bytes;  // that the guard keeps free; nullopt: it was off
  std::vector<Plugin> plugins;
  std::string cage_reason;  // why limits could not be held by a cgroup; empty where they were, or none was asked for
  std::string command;      // to run it again
  bool operator==(const Settings&) const = default;
};

struct Finding {
  std::string id, severity, title, remedy;                 // severity: high, medium, low
  std::vector<std::pair<std::string, uint64_t>> evidence;  // figure -> bytes or count
  std::vector<std::string> cells;                          // "state-dict/native"
  Figure saves_bytes;
  bool operator==(const Finding&) const = default;
};

// One limit that `fit` tried, or found: medians over the trials made there.
struct FitPoint {
  Bytes limit_bytes = 0;
  std::string verdict;             // of the worst trial
  std::optional<double> slowdown;  // wall time over that of the same cold load without a limit, interleaved
  Figure wall_ns, major_faults, refault_file_pages, stall_ns;
  uint64_t trials = 0;
  bool operator==(const FitPoint&) const = default;
};

// The smallest limits in which a way of loading still loads.
struct Fit {
  std::string strategy;
  std::map<std::string, std::string> options;
  std::string dtype;
  Figure predicted_bytes;            // need, floor and page tables; without reclaimable pages
  std::optional<FitPoint> survival;  // below it, the load is killed
  std::optional<FitPoint> useful;    // from it on, the load takes at most `slowdown` times as long as without a limit
  std::vector<FitPoint> tries;       // every limit that was tried, in that order
  Reasons unavailable;               // "survival", "useful"
  bool operator==(const Fit&) const = default;
};

// A change that a plan knows the effect of: what loading would need with it.
struct WhatIf {
  std::string id;       // what_if.h
  std::string instead;  // the way it is compared with: "state-dict/native"
  std::string cell;     // the way it comes to, where it is one: "stream/f16"
  std::string change;   // what to do, one sentence without its full stop
  std::string outcome;  // fits, fits-reclaiming, too-close, too-large; unknown
  Figure limit_bytes;   // a limit that it fits in
  Figure saves_bytes;   // of the limit that `instead` fits in; null: nothing, or not known
  Reasons unavailable;
  bool operator==(const WhatIf&) const = default;
};

struct Record {
  std::string schema = "weighbridge/1";
  std::string version, commit;  // of the tool
  std::string started;          // ISO 8601, UTC
  Machine machine;
  Checkpoint checkpoint;
  Settings settings;
  std::vector<Cell> cells;
  std::vector<Finding> findings;
  std::vector<Fit> fits;        // of `fit`; empty in a run
  std::vector<WhatIf> what_if;  // of `plan`; empty in a run

  // The bound that bites: the smallest of machine.limits that a load can run into; nullptr when there is none.
  const Limit* limit() const;
  bool operator==(const Record&) const = default;
};

// "stream", with options "stream:chunk=1MiB": only those that are in Cell::options.
std::string strategy_name(const Cell& cell);

// "stream/f16", "stream:chunk=1MiB/f16", "stream/f16 cold" where the file was evicted first.
std::string cell_name(const Cell& cell);

}  // namespace weighbridge::reports
