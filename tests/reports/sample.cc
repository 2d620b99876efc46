#include "tests/reports/sample.h"

#include <sstream>

#include <algorithm>

#include "reports/aggregate.h"
#include "reports/findings/findings.h"
#include "reports/verdict.h"

namespace weighbridge::reports::sample {

Machine machine() {
  Machine machine;
  machine.hostname = "trainer-7";
  machine.kernel = "6.1.0-31-amd64";
  machine.distribution = "Debian GNU/Linux 12 (bookworm)";
  machine.cpu = "AMD EPYC 7763 64-Core Processor";
  machine.allocator = "jemalloc 5.3.0";
  machine.cpus = 8;
  machine.page_bytes = 4096;
  machine.memory_bytes = 64 * kGiB;
  machine.available_bytes = 51 * kGiB;
  machine.error_bytes = 256 << 10;
  machine.error_source = "Linux before 6.2: 64 pages a thread";
  machine.thp = "madvise";
  machine.limits = {{"physical memory", 64 * kGiB},
                    {"container (memory.max of /kubepods/pod1)", 8 * kGiB},
                    {"ulimit -l (locked memory)", 8 * kMiB, Limit::kBoundsLocked}};
  machine.unavailable = {{"perf", "perf_event_paranoid is 3"}};
  return machine;
}

Checkpoint checkpoint() {
  Checkpoint checkpoint;
  checkpoint.path = "models/llama-7b.safetensors";
  checkpoint.format = "safetensors";
  checkpoint.filesystem = "ext4";
  checkpoint.parameters = 6738415616;
  checkpoint.bytes = 2 * checkpoint.parameters;
  checkpoint.file_bytes = checkpoint.bytes + 33000;
  checkpoint.files = 1;
  checkpoint.tensors = 291;
  checkpoint.largest_tensor_bytes = 250 * kMiB;
  checkpoint.dtypes = {{"bf16", checkpoint.bytes}};
  return checkpoint;
}

namespace {

constexpr Bytes kFloor = 700 << 10;
constexpr Bytes kFloorFile = 3 * kMiB;

Phase phase(const char* name, uint64_t wall_ns, const Weight& weight) {
  Phase phase;
  phase.name = name;
  phase.wall_ns = wall_ns;
  phase.cpu_ns = wall_ns / 10 * 9;
  phase.peak_rss_bytes = weight.need + weight.file;
  phase.need_peak_bytes = weight.need;
  phase.need_end_bytes = weight.need;
  phase.file_peak_bytes = weight.file;
  phase.swap_peak_bytes = 0;
  phase.page_table_bytes = weight.need / 512 + 40960;
  phase.at_peak = {.anon = weight.need, .file = weight.file, .weights = weight.weights, .staging = weight.staging};
  phase.at_peak.overhead = weight.need - std::min(weight.need, weight.weights + weight.staging);
  phase.heap_peak_bytes = {weight.weights, weight.staging, 300 << 10};
  phase.allocator = {{"weights", {weight.weights, weight.weights, weight.weights, 0, 4096}},
                     {"staging", {weight.staging, weight.staging, weight.staging, 0, 4096}}};
  phase.minor_faults = weight.need / 4096;
  phase.major_faults = 12;
  phase.lazy_free_bytes = 0;
  phase.pss_bytes = weight.need;
  phase.refault_file_pages = phase.refault_anon_pages = phase.limit_hits = 0;
  phase.cgroup_anon_bytes = weight.need;
  phase.cgroup_file_bytes = weight.file;
  phase.cgroup_shmem_bytes = 0;
  phase.cgroup_kernel_bytes = weight.need / 512 + kMiB;
  phase.cgroup_usage_bytes = weight.need + weight.file + *phase.cgroup_kernel_bytes;
  phase.cgroup_psi_some_ns = phase.cgroup_psi_full_ns = 0;
  phase.system_swap_in_pages = phase.system_swap_out_pages = 0;
  phase.psi_some_ns = phase.psi_full_ns = 0;
  return phase;
}

Timeline timeline(const Weight& weight) {
  Timeline timeline;
  for (uint64_t i = 0; i < 5; ++i) {
    timeline.t_ns.push_back(i * 1'000'000'000);
    timeline.anon_kib.push_back(static_cast<uint32_t>((weight.need >> 10) / 4 * i));
    timeline.file_kib.push_back(static_cast<uint32_t>((weight.file >> 10) / 4 * i));
    timeline.shmem_kib.push_back(0);
    timeline.swap_kib.push_back(0);
    timeline.weights_kib.push_back(static_cast<uint32_t>((weight.weights >> 10) / 4 * i));
    timeline.staging_kib.push_back(static_cast<uint32_t>(weight.staging >> 10));
  }
  timeline.samples_taken = 5123;
  return timeline;
}

}  // namespace

Trial trial(int number, const Weight& weight) {
  Trial trial;
  trial.number = number;
  trial.order = number;
  trial.verdict = verdict::fits;
  trial.reason = "needed less than the limit";
  trial.checksum = "9f86d081884c7d65";
  trial.reached = "use";
  trial.floor_bytes = kFloor;
  trial.floor_file_bytes = kFloorFile;
  trial.phases = {phase("open", 4'000'000, {kFloor, kFloorFile, 0, 0}), phase("load", 6'700'000'000, weight),
                  phase("use", 3'700'000'000, {weight.need - weight.staging, weight.file, weight.weights, 0})};
  trial.phase_start_ns = {{"open", 0}, {"load", 4'000'000}, {"use", 6'704'000'000}};
  trial.timeline = timeline(weight);
  trial.cached_before_bytes = trial.cached_after_bytes = checkpoint().file_bytes;
  trial.exit_status = 0;
  trial.cgroup_peak_bytes = std::min(weight.need + weight.file + kMiB, 8 * kGiB);
  trial.cgroup_swap_peak_bytes = 0;
  return trial;
}

Trial killed(int number, Bytes need) {
  Trial trial = sample::trial(number, {need, kFloorFile, need - 300 * 1024, 0});
  trial.verdict = verdict::oom_killed;
  trial.reason = "killed by the container's limit at 41.2 s, phase load (oom_kill 1)";
  trial.checksum.clear();
  trial.reached = "load";
  trial.phases.pop_back();
  trial.phase_start_ns.pop_back();
  Phase& load = trial.phases.back();
  load.lazy_free_bytes = load.pss_bytes = std::nullopt;
  load.peak_rss_bytes = load.need_end_bytes = std::nullopt;
  trial.unavailable = {{"lazy_free_bytes", "killed before the phase's end"},
                       {"pss_bytes", "killed before the phase's end"},
                       {"peak_rss_bytes", "killed before VmHWM was read"},
                       {"need_end_bytes", "killed before the phase's end"},
                       {"cached_after_bytes", "not read after a kill"},
                       {"cgroup_swap_peak_bytes", "memory.swap.peak came with Linux 6.5"},
                       {"cgroup_psi_full_ns", "killed before the phase's end"}};
  trial.cgroup_swap_peak_bytes = load.cgroup_psi_full_ns = std::nullopt;
  load.limit_hits = 1234;
  trial.evidence = {
      {"wait status", "ended by signal 9 (SIGKILL)", {{"signal", 9}}},
      {"memory.events of the cage", "oom_kill rose", {{"oom_kill_before", 0}, {"oom_kill_after", 1}}},
      {"kernel log", "Memory cgroup out of memory: Killed process 4711 (weighbridge-wor)", {{"anon_rss_bytes", need}}}};
  trial.cached_after_bytes = std::nullopt;
  trial.exit_status = std::nullopt;
  trial.exit_signal = 9;
  return trial;
}

Cell cell(const char* strategy, const char* dtype, Bytes predicted, const Weight& weight, int trials) {
  Cell cell;
  cell.strategy = strategy;
  cell.dtype = dtype;
  cell.limit_bytes = 8 * kGiB;
  cell.swap_limit_bytes = 0;
  cell.cage = "cgroup v2";
  cell.predicted = Prediction{predicted, weight.file, weight.weights, weight.staging, 0, std::nullopt};
  for (int i = 1; i <= trials; ++i) cell.trials.push_back(trial(i, weight));
  aggregate(cell, machine().error_bytes);
  return cell;
}

Cell killed_cell(const char* strategy, const char* dtype, Bytes predicted, Bytes reached) {
  Cell cell;
  cell.strategy = strategy;
  cell.dtype = dtype;
  cell.limit_bytes = 8 * kGiB;
  cell.swap_limit_bytes = 0;
  cell.cage = "cgroup v2";
  const Bytes staging = cell.strategy == "eager" ? 0 : predicted / 2;
  cell.predicted = Prediction{predicted, 0, predicted - staging, staging, 0, std::nullopt};
  for (int i = 1; i <= 3; ++i) cell.trials.push_back(killed(i, reached));
  aggregate(cell, machine().error_bytes);
  return cell;
}

std::vector<Fit> fits() {
  const Bytes stored = checkpoint().bytes;
  Fit mapped;
  mapped.strategy = "mmap";
  mapped.dtype = "native";
  mapped.predicted_bytes = kFloor + 32 * kMiB;
  mapped.survival = FitPoint{40 * kMiB, "thrashed", 42.5, 420'000'000'000, 410'000, 9'200'000, 310'000'000'000, 1};
  mapped.useful = FitPoint{stored + 20 * kMiB, "fits-reclaiming", 1.9, 19'000'000'000, 3'400, 52'000, 900'000'000, 3};
  mapped.tries = {
      FitPoint{8 * kGiB, "thrashed", 9.75, 97'000'000'000, 200'000, 4'100'000, 61'000'000'000, 2}, *mapped.useful,
      FitPoint{16 * kMiB, "oom-killed", std::nullopt, std::nullopt, std::nullopt, std::nullopt, std::nullopt, 1},
      *mapped.survival};
  Fit streamed;
  streamed.strategy = "stream";
  streamed.options = {{"chunk", "1MiB"}};
  streamed.dtype = "int8";
  streamed.predicted_bytes = stored / 2 + 20 * kMiB;
  streamed.survival = FitPoint{stored / 2 + 25 * kMiB, "fits", 1.02, 9'400'000'000, 1'200, 80, 12'000'000, 3};
  streamed.useful = streamed.survival;
  streamed.tries = {*streamed.survival};
  Fit foreign;
  foreign.strategy = "train.py";
  foreign.dtype = "f32";
  foreign.tries = {
      FitPoint{64 * kGiB, "oom-killed", std::nullopt, std::nullopt, std::nullopt, std::nullopt, std::nullopt, 1}};
  std::vector<Fit> fits = {mapped, streamed, foreign};
  for (Fit& fit : fits) explain(fit);
  return fits;
}

Record record() {
  Record record;
  record.version = "0.1.0";
  record.commit = "b8dd8d9";
  record.started = "2025-06-03T14:07:31Z";
  record.machine = machine();
  record.checkpoint = checkpoint();
  record.settings.seed = 42;
  record.settings.repeat = 3;
  record.settings.cache = "warm";
  record.settings.thp = "off";
  record.settings.sample_interval_ns = 1'000'000;
  record.settings.resumed = 1;
  record.settings.plugins = {{"./libmine.so", "mine", "1.0", std::string(64, 'a')}};
  record.settings.reserve_bytes = kGiB;
  record.settings.command = "weighbridge run models/llama-7b.safetensors --limit 8GiB --repeat 3 --seed 42";

  const Bytes stored = record.checkpoint.bytes;
  const Bytes int8 = stored / 2 + 2 * kMiB;
  Cell stream = cell("stream", "int8", int8 + kMiB, {int8 + 2 * kMiB, 4 * kMiB, int8, kMiB});
  stream.options = {{"chunk", "1MiB"}};
  stream.accuracy = Accuracy{6738415616, 0, 12, 3, 0, 0.0625, 0.0011, 38.5, "model.embed_tokens.weight", 31.25};
  stream.kept_native_tensors = 65;
  for (Trial& trial : stream.trials) trial.remarks = {{kReadBy, "read by io_uring, 8 reads at a time"}};
  record.cells.push_back(stream);
  record.cells.push_back(cell("mmap", "native", 0, {kMiB, stored, 0, 0}));
  record.cells.push_back(killed_cell("eager", "f32", 2 * stored, 8 * kGiB - 2 * kMiB));
  record.cells.push_back(killed_cell("state-dict", "native", 2 * stored, 8 * kGiB - kMiB));

  Cell late;
  late.strategy = "lazy";
  late.dtype = "native";
  late.limit_bytes = 8 * kGiB;
  late.predicted = Prediction{stored, 0, stored, 0, 0, std::nullopt};
  late.reason = "the run was interrupted before";
  aggregate(late, record.machine.error_bytes);
  record.cells.push_back(late);
  record.settings.interrupted = true;

  record.findings = find(record);
  record.fits = fits();
  return record;
}

Record four_ways() {
  Record record = sample::record();
  record.settings.interrupted = false;
  record.cells.pop_back();
  record.cells[0].options.clear();
  return record;
}

Record plan() {
  Record record = sample::record();
  record.settings.interrupted = false;
  record.findings.clear();
  for (Cell& cell : record.cells) {
    Cell planned;
    planned.strategy = cell.strategy;
    planned.dtype = cell.dtype;
    planned.limit_bytes = cell.limit_bytes;
    planned.predicted = cell.predicted;
    cell = planned;
    aggregate(cell, 0);
  }
  record.cells.back().predicted.reset();
  return record;
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) all.push_back(line);
  return all;
}

}  // namespace weighbridge::reports::sample
