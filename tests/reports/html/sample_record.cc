#include "tests/reports/html/sample_record.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>

#include "reports/aggregate.h"

namespace weighbridge::reports {
namespace {

constexpr Bytes KiB = 1024, MiB = 1024 * KiB, GiB = 1024 * MiB;
constexpr Bytes stored = 497'759'232;  // GPT-2's 124 million values, f32
constexpr Bytes floor_bytes = 1'220 * KiB;

// Where a strategy's memory goes: its peak of each kind, as parts of what is stored (T/S for weights).
struct Shape {
  const char* strategy;
  double weights, staging;  // at the peak, of T and of S
  double file;              // reclaimable, of S
  bool weights_last;        // staging is filled before weights begin
};

constexpr Shape shapes[] = {{"state-dict", 1, 1, 0, true}, {"convert-after", 1, 1, 0, true},
                            {"eager", 1, .03, 0, false},   {"stream", 1, .002, 0, false},
                            {"mmap", 1, 0, 1, false},      {"lazy", 1, .03, 0, false}};

struct Kind {
  const char* dtype;
  double size;  // T/S
};
constexpr Kind kinds[] = {{"native", 1}, {"f16", .5}, {"bf16", .5}, {"int8", .2505}};

double smooth(double x) {
  return std::clamp(x, 0.0, 1.0);
}

Timeline timeline_of(const Shape& shape, double target, uint64_t end_ns, double ends_at, std::mt19937& random) {
  Timeline line;
  const size_t samples = 2'000;
  const double chunks = 148;
  std::uniform_real_distribution<double> jitter(0, 1);
  for (size_t i = 0; i < samples; ++i) {
    const double x = (static_cast<double>(i) + jitter(random) * .6) / samples;
    if (x > ends_at) break;
    const bool lazy = std::string(shape.strategy) == "lazy";
    const double load_begin = lazy ? .32 : .02, load_end = lazy ? .93 : .62;
    double at = smooth((x - load_begin) / (load_end - load_begin));
    double staging = 0, weights = at;
    if (shape.weights_last && !(target == 1 && std::string(shape.strategy) == "convert-after")) {
      staging = smooth(at * 2);
      weights = smooth(at * 2 - 1);
      if (x > load_end) staging = 0;
    } else if (shape.staging > 0 && shape.staging < .5 && target < 1 && at > 0 && at < 1) {
      staging = std::fmod(at * chunks, 1.0);
    }
    weights = std::floor(weights * chunks) / chunks;
    if (x > .975) weights = smooth((1 - x) / .025);
    const bool views = shape.file > 0 && target == 1;
    const auto kib = [](double bytes) { return static_cast<uint32_t>(bytes / 4096) * 4; };
    const double weight_bytes = views ? 0 : weights * target * static_cast<double>(stored);
    const double staging_bytes = staging * shape.staging * static_cast<double>(stored);
    line.t_ns.push_back(static_cast<uint64_t>(x * static_cast<double>(end_ns)));
    line.weights_kib.push_back(kib(weight_bytes));
    line.staging_kib.push_back(kib(staging_bytes));
    line.anon_kib.push_back(kib(weight_bytes + staging_bytes + static_cast<double>(floor_bytes)) +
                            (i % 7 == 0 ? 12 : 0));
    line.file_kib.push_back(kib(2'300 * KiB) + kib(shape.file * at * (x > .98 ? 0 : 1) * static_cast<double>(stored)));
    line.shmem_kib.push_back(0);
    line.swap_kib.push_back(0);
  }
  line.samples_taken = line.size();
  return line;
}

Phase phase_of(const char* name, uint64_t wall_ns, Bytes need, Bytes file) {
  Phase phase;
  phase.name = name;
  phase.wall_ns = wall_ns;
  phase.cpu_ns = wall_ns * 93 / 100;
  phase.need_peak_bytes = need;
  phase.need_end_bytes = need * 7 / 10;
  phase.file_peak_bytes = file;
  phase.peak_rss_bytes = need + file;
  phase.minor_faults = need / 4096;
  phase.major_faults = 0;
  return phase;
}

Cell cell_of(const Shape& shape, const Kind& kind, std::mt19937& random, int& order) {
  Cell cell;
  cell.strategy = shape.strategy;
  cell.dtype = kind.dtype;
  cell.limit_bytes = 768 * MiB;
  const bool views = shape.file > 0 && kind.size == 1;
  const bool two_copies = shape.staging > .5 && !(kind.size == 1 && cell.strategy == "convert-after");
  const double parts = (views ? 0 : shape.weights * kind.size) + (two_copies       ? shape.staging
                                                                  : kind.size == 1 ? 0
                                                                                   : shape.staging);
  const Bytes planned = static_cast<Bytes>(parts * static_cast<double>(stored)) / 4096 * 4096;
  cell.predicted = Prediction{planned,
                              static_cast<Bytes>(shape.file * static_cast<double>(stored)),
                              views ? 0 : static_cast<Bytes>(kind.size * static_cast<double>(stored)),
                              two_copies ? stored : static_cast<Bytes>(shape.staging * static_cast<double>(stored)),
                              0,
                              std::nullopt};
  const Bytes whole = planned + floor_bytes + 36 * KiB;
  const bool killed = whole > *cell.limit_bytes;
  const Bytes need = killed ? *cell.limit_bytes - 3 * MiB : whole;
  cell.verdict = killed ? "oom-killed" : "fits";
  cell.reason = killed ? "The container's limit of 768 MiB killed it in load (memory.events: oom_kill 1)."
                       : "It stayed within the container's limit throughout.";
  cell.need_bytes = need;
  cell.need_error_bytes = 0;
  cell.floor_bytes = floor_bytes;
  cell.reclaimable_bytes = static_cast<Bytes>(shape.file * static_cast<double>(stored));
  cell.peak_rss_bytes = need + *cell.reclaimable_bytes;
  cell.page_table_bytes = need / 512;
  Split split;
  split.anon = need;
  split.file = 2'300 * KiB + *cell.reclaimable_bytes;
  split.weights = std::min(cell.predicted->weights_bytes, need - floor_bytes);
  split.staging = std::min(two_copies ? stored : 0, need - floor_bytes - split.weights);
  split.overhead = need - split.weights - split.staging;
  cell.at_peak = split;
  cell.peak_phase = cell.strategy == "lazy" ? "use" : "load";
  cell.checksum = killed ? "" : "xxh3:6f1d0a9e4c2b7785";
  const uint64_t wall = 900'000'000 + static_cast<uint64_t>(parts * 700'000'000) + (kind.size < .5 ? 600'000'000u : 0u);
  for (int number = 1; number <= 3; ++number) {
    Trial trial;
    trial.number = number;
    trial.order = ++order;
    trial.verdict = cell.verdict;
    trial.reason = killed ? "Killed by the kernel at 768 MiB." : "";
    trial.reached = killed ? "load" : "release";
    trial.floor_bytes = floor_bytes;
    const uint64_t took = wall * static_cast<uint64_t>(96 + number * 3) / 100;
    const double ends_at = killed ? static_cast<double>(need) / static_cast<double>(whole) * .6 : 1;
    trial.phase_start_ns = {{"open", 0}, {"load", took / 50}};
    trial.phases = {
        phase_of("open", took / 50, floor_bytes + 80 * KiB, 2 * MiB),
        phase_of("load", took * 3 / 5, need - static_cast<Bytes>(number - 1) * 8 * KiB, *cell.reclaimable_bytes)};
    if (!killed) {
      trial.phase_start_ns.push_back({"use", took * 62 / 100});
      trial.phase_start_ns.push_back({"release", took * 97 / 100});
      trial.phases.push_back(phase_of("use", took * 35 / 100, need * 95 / 100, *cell.reclaimable_bytes));
      trial.phases.push_back(phase_of("release", took * 3 / 100, need * 9 / 10, 2 * MiB));
    } else {
      trial.exit_signal = 9;
    }
    trial.timeline = timeline_of(shape, kind.size, took, ends_at, random);
    trial.unavailable["psi"] = "/proc/pressure/memory: the kernel was built without CONFIG_PSI";
    cell.trials.push_back(std::move(trial));
  }
  cell.wall_ns = wall;
  cell.cpu_ns = wall * 93 / 100;
  cell.minor_faults = need / 4096 + 311;
  cell.major_faults = 0;
  cell.swap_peak_bytes = 0;
  if (std::string(kind.dtype) != "native" && !killed) {
    const double db[] = {73.1, 55.3, 41.6};
    const size_t which = cell.dtype == "f16" ? 0 : cell.dtype == "bf16" ? 1 : 2;
    cell.accuracy = Accuracy{124'439'808,
                             0,
                             which == 0 ? 1'204u : 0u,
                             0,
                             0,
                             .0019 * std::pow(4, which),
                             1.4e-5 * std::pow(7, which),
                             db[which],
                             "transformer.h.11.attn.c_proj.weight",
                             db[which] - 9.4};
  }
  return cell;
}

Machine machine_of() {
  Machine machine;
  machine.hostname = "node-17";
  machine.kernel = "6.12.9-amd64";
  machine.distribution = "Debian GNU/Linux 12 (bookworm)";
  machine.cpu = "AMD EPYC 9354";
  machine.allocator = "jemalloc 5.3.0";
  machine.cpus = 8;
  machine.page_bytes = 4096;
  machine.memory_bytes = 23 * GiB + 400 * MiB;
  machine.available_bytes = 21 * GiB;
  machine.error_bytes = 1 * MiB;
  machine.error_source = "the counters are kept per CPU and folded in batches";
  machine.thp = "madvise";
  machine.limits = {{"physical memory", machine.memory_bytes},
                    {"container (memory.max of /kubepods/burstable/pod7f)", 768 * MiB}};
  machine.unavailable["pss"] = "smaps_rollup: permission denied";
  return machine;
}

Record base_record() {
  Record record;
  record.version = "0.1.0";
  record.commit = "b8dd8d9";
  record.started = "2026-03-14T09:26:53Z";
  record.machine = machine_of();
  record.checkpoint = {"/models/gpt2/model.safetensors",
                       "safetensors",
                       "ext4",
                       stored,
                       stored + 14'720,
                       1,
                       148,
                       124'439'808,
                       154'389'504,
                       "wte",
                       154'389'504,
                       0,
                       {{"f32", stored}},
                       {},
                       {}};
  record.settings.seed = 42;
  record.settings.repeat = 3;
  record.settings.cache = "warm";
  record.settings.thp = "off";
  record.settings.sample_interval_ns = 1'000'000;
  record.settings.command =
      "weighbridge run /models/gpt2/model.safetensors --dtype native,f16,bf16,int8 --limit 768MiB --seed 42 --out "
      "report";
  return record;
}

}  // namespace

Record gpt2_record() {
  Record record = base_record();
  std::mt19937 random(7);
  int order = 0;
  for (const Shape& shape : shapes) {
    for (const Kind& kind : kinds) record.cells.push_back(cell_of(shape, kind, random, order));
  }
  record.findings = {{"second-copy",
                      "high",
                      "Two copies of the weights exist at once while loading",
                      "Load tensor by tensor into the final buffer (strategy eager or stream; in PyTorch: "
                      "torch.load(..., mmap=True) with "
                      "load_state_dict(assign=True)).",
                      {{"weights_bytes", stored}, {"staging_bytes", stored}, {"tensors", 148}},
                      {"state-dict/native", "state-dict/f16", "convert-after/f16"},
                      stored},
                     {"lossless-bf16",
                      "medium",
                      "Most weights keep their accuracy at half the size",
                      "Store the checkpoint as f16: SQNR 73 dB, nothing overflows.",
                      {{"sqnr_db", 73}, {"stored_bytes", stored}},
                      {"eager/native"},
                      stored / 2},
                     {"page-cache",
                      "low",
                      "The page cache is not need",
                      "A peak RSS of 476 MiB with mmap is reclaimable; do not size the container by it.",
                      {{"reclaimable_bytes", stored}},
                      {"mmap/native"},
                      std::nullopt}};
  return record;
}

Record troubled_record() {
  Record record = base_record();
  record.machine.limits.clear();
  record.machine.swap_bytes = 2 * GiB;
  record.settings.interrupted = true;
  record.settings.sample_interval_ns = 0;
  std::mt19937 random(11);
  int order = 0;
  for (int i = 0; i < 4; ++i) record.cells.push_back(cell_of(shapes[i], kinds[i % 2], random, order));
  for (Cell& cell : record.cells) cell.limit_bytes.reset();
  Cell& swapped = record.cells[0];
  swapped.verdict = "swapped";
  swapped.reason = "212 MiB were swapped out in load.";
  swapped.swap_peak_bytes = 212 * MiB;
  for (Trial& trial : swapped.trials) {
    trial.verdict = "swapped";
    Timeline& line = trial.timeline;
    for (size_t i = 0; i < line.size(); ++i) {
      const uint32_t over = line.anon_kib[i] > 700'000 ? line.anon_kib[i] - 700'000 : 0;
      line.swap_kib[i] = std::min<uint32_t>(over, 217'088);
      line.anon_kib[i] -= line.swap_kib[i];
      line.shmem_kib[i] = line.anon_kib[i] / 8 / 4 * 4;
      line.anon_kib[i] -= line.shmem_kib[i];
    }
  }
  Cell& failed = record.cells[1];
  failed.verdict = "failed";
  failed.reason = "model.safetensors: byte 8: the header's length is 99999999999999, the file has 497773952 bytes.";
  failed.need_bytes.reset();
  failed.at_peak.reset();
  failed.predicted.reset();
  failed.wall_ns.reset();
  failed.cpu_ns.reset();
  failed.unavailable["need_bytes"] = "the worker ended before it was ready";
  failed.trials.resize(1);
  failed.trials[0] = Trial();
  failed.trials[0].number = 1;
  failed.trials[0].verdict = "failed";
  failed.trials[0].reason = failed.reason;
  failed.trials[0].reached = "open";
  record.cells[2].trials[0].timeline = record.cells[2].trials[1].timeline = record.cells[2].trials[2].timeline =
      Timeline();
  Cell& unrun = record.cells[3];
  unrun = Cell();
  unrun.strategy = "mmap";
  unrun.dtype = "native";
  unrun.verdict = "not-run";
  unrun.predicted = Prediction{0, stored, 0, 0, 0, std::nullopt};
  return record;
}

Record limits_record() {
  Record record = base_record();
  record.settings.cache = "cold in a limit, else warm";
  record.settings.cage_reason = "cgroup2: mounted read-only";
  record.settings.reserve_bytes = GiB;
  record.settings.resumed = 2;
  record.settings.plugins = {{"./libmine.so", "mine", "1.0", std::string(64, 'a')}};
  record.machine.limits.push_back({"ulimit -v", 64 * GiB, Limit::kBoundsAddressSpace});
  record.machine.limits.push_back({"ulimit -l", 8 * MiB, Limit::kBoundsLocked});
  std::mt19937 random(13);
  int order = 0;
  for (const Bytes limit : {768 * MiB, 128 * MiB}) {
    for (const size_t shape : {0u, 2u, 3u, 4u}) {
      Cell cell = cell_of(shapes[shape], kinds[0], random, order);
      cell.limit_bytes = limit;
      cell.cache = "cold";
      cell.cage = limit == 768 * MiB ? "cgroup v2" : "watched";
      cell.swap_limit_bytes = limit == 768 * MiB ? Figure(0) : std::nullopt;
      if (limit < 768 * MiB && cell.need_bytes > limit) {
        cell.verdict = "over-limit";
        cell.need_bytes = limit + 2 * MiB;
        cell.reason = "Its need passed the watched limit of 128 MiB in load.";
      }
      for (Trial& trial : cell.trials) {
        trial.verdict = cell.verdict;
        if (cell.verdict == "oom-killed") {
          trial.evidence = {{"memory.events of the cage", "oom_kill rose from 0 to 1", {}},
                            {"kernel log", "Killed process 4711", {{"anon_rss_bytes", *cell.need_bytes}}}};
        }
      }
      record.cells.push_back(std::move(cell));
    }
  }
  Cell& mapped = record.cells[3];
  mapped.verdict = "fits-reclaiming";
  for (Trial& trial : mapped.trials) {
    trial.verdict = mapped.verdict;
    for (Phase& phase : trial.phases) {
      phase.limit_hits = phase.refault_file_pages = phase.cgroup_psi_full_ns = 0;
    }
    Phase& use = trial.phases[2];
    use.limit_hits = 4'321;
    use.major_faults = 9'000;
    use.refault_file_pages = 100'000;
    use.cgroup_psi_full_ns = 410'000'000;
  }
  return record;
}

Record fit_record() {
  Record record = base_record();
  const FitPoint killed{4 * MiB, "oom-killed", std::nullopt, std::nullopt, std::nullopt, std::nullopt, std::nullopt, 1};
  Fit mapped{"mmap", {}, "native", 7 * MiB, {}, {}, {}, {}};
  mapped.survival = FitPoint{8 * MiB, "thrashed", 42.5, 42'000'000'000, 410'000, 2'000'000, 31'000'000'000, 1};
  mapped.useful = FitPoint{490 * MiB, "fits-reclaiming", 1.9, 1'900'000'000, 3'400, 5'200, 90'000'000, 3};
  mapped.tries = {*mapped.useful, killed, *mapped.survival};
  Fit copied{"eager", {}, "native", 515 * MiB, {}, {}, {}, {}};
  copied.survival = copied.useful = FitPoint{520 * MiB, "fits", 1.1, 1'100'000'000, 400, 20, 1'000'000, 3};
  copied.tries = {*copied.survival};
  Fit foreign{"train.py", {}, "f32", std::nullopt, {}, {}, {killed}, {}};
  record.fits = {mapped, copied, foreign};
  for (Fit& fit : record.fits) explain(fit);
  return record;
}

Record hostile_record() {
  const std::string script = "<script>alert(1)</script>", image = "\"><img src=x onerror=alert(2)>",
                    end = "</script><script>alert(3)</script>", cdata = "]]>-->'\x1b[31m\xff\xe2\x80\xae";
  Record record = gpt2_record();
  record.cells.resize(4);
  record.checkpoint.path = "/models/" + script + image + "/" + end + cdata;
  record.checkpoint.path.erase(std::remove(record.checkpoint.path.begin() + 8, record.checkpoint.path.end(), '/'),
                               record.checkpoint.path.end());
  record.checkpoint.dtypes = {{image, stored}, {script, 1}};
  record.checkpoint.format = end;
  record.machine.hostname = script;
  record.machine.cpu = image;
  record.machine.limits[1].source = end + image;
  record.machine.limits[0].bounds = script;
  record.settings.cage_reason = cdata + image;
  record.settings.plugins = {{script, image, end, cdata}};
  record.fits = fit_record().fits;
  for (Fit& fit : record.fits) {
    fit.strategy = script;
    fit.options = {{end, image}};
    fit.dtype = cdata;
    fit.unavailable = {{image, end}};
    for (FitPoint& point : fit.tries) point.verdict = image;
    if (fit.survival) fit.survival->verdict = end;
  }
  record.machine.unavailable = {{script, image}, {cdata, end}};
  record.settings.command = "weighbridge run '" + script + "' && echo \"" + end + "\"";
  record.settings.cache = image;
  record.version = script;
  record.started = "\" onmouseover=\"alert(4)";
  const std::string evil[] = {script, image, end, cdata};
  for (size_t i = 0; i < record.cells.size(); ++i) {
    Cell& cell = record.cells[i];
    cell.strategy = evil[i];
    cell.options = {{image, end}};
    cell.dtype = evil[(i + 1) % 4];
    cell.reason = evil[(i + 2) % 4];
    cell.peak_phase = script;
    cell.checksum = image;
    if (i == 2) cell.verdict = end;
    if (cell.accuracy) cell.accuracy->worst_tensor = script;
    cell.cage = image;
    for (Trial& trial : cell.trials) {
      trial.evidence = {{end, image, {{script + "_bytes", 1}}}, {cdata, script, {}}};
      trial.reason = script;
      trial.reached = image;
      for (auto& [name, start] : trial.phase_start_ns) name = end + "\xe2\x80\xa8" + name;
      for (Phase& phase : trial.phases) phase.name = image;
    }
  }
  for (Finding& finding : record.findings) {
    finding.title = script;
    finding.remedy = image;
    finding.severity = image;
    finding.cells = {end, cdata};
    finding.evidence.push_back({script, 1});
  }
  return record;
}

}  // namespace weighbridge::reports
