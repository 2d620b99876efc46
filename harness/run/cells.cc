#include "harness/run/cells.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <utility>

#include "harness/probe/machine.h"
#include "harness/run/describe.h"
#include "harness/version.h"
#include "strategies/error.h"
#include "strategies/strategy.h"

namespace weighbridge {
namespace {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

reports::Machine machine_of(const Description& description) {
  reports::Machine machine = describe_machine();
  machine.allocator = description.allocator;
  utsname system{};
  int major = 0, minor = 0;
  uname(&system);
  std::sscanf(system.release, "%d.%d", &major, &minor);
  machine.error_bytes =
      counter_error_bytes(machine.cpus, major, minor, description.counter_lag_bytes, machine.error_source);
  return machine;
}

// The items in their order, each once.
std::vector<std::string> unique(const std::vector<std::string>& items) {
  std::vector<std::string> kept;
  for (const std::string& item : items) {
    if (std::find(kept.begin(), kept.end(), item) == kept.end()) kept.push_back(item);
  }
  return kept;
}

void check_words(const MatrixRequest& request) {
  std::vector<std::string_view> known;
  for (const TargetInfo& target : targets()) known.push_back(target.name);
  for (const std::string& dtype : request.dtypes) {
    if (parse_target(dtype)) continue;
    const auto near = nearest(dtype, known);
    throw Error(ErrorKind::usage, fmt::format("no dtype named '{}': {}", printable(dtype),
                                              near.empty() ? fmt::format("there are {}", fmt::join(known, ", "))
                                                           : fmt::format("did you mean {}?", near)));
  }
}

// The cells of one limit and cache state, in the order of the description; each once.
void add_cells(reports::Record& record, const Description& description, const std::vector<bool>& left_out,
               const reports::Cell& variant) {
  for (size_t index = 0; index < description.cells.size(); ++index) {
    if (left_out[index]) continue;
    reports::Cell cell = description.cells[index];
    cell.limit_bytes = variant.limit_bytes;
    cell.swap_limit_bytes = variant.swap_limit_bytes;
    cell.cage = variant.cage;
    cell.cache = variant.cache;
    const bool again = std::any_of(record.cells.begin(), record.cells.end(), [&](const reports::Cell& other) {
      return other.strategy == cell.strategy && other.options == cell.options && other.dtype == cell.dtype &&
             other.cache == cell.cache && other.limit_bytes == cell.limit_bytes;
    });
    if (!again) record.cells.push_back(std::move(cell));
  }
}

}  // namespace

bool has_limit(const MatrixRequest& request) {
  return std::any_of(request.limits.begin(), request.limits.end(), [](const auto& limit) { return limit.has_value(); });
}

std::unique_ptr<Cages> find_cages(bool limited, const reports::Figure& swap_limit) {
  auto cages = std::make_unique<Cages>(limited);
  // A limit on swap that cannot be had is said before hours are spent, not in every trial.
  if (swap_limit && limited) {
    if (!cages->possible()) {
      throw Error(ErrorKind::environment, "--swap-limit needs a cgroup, and none can be made here: " + cages->reason() +
                                              "; a limit that is only watched bounds no swap");
    }
    cages->make({reports::Bytes{64} << 20, swap_limit});
  }
  return cages;
}

Planned plan_cells(const MatrixRequest& request, const Cages* cages, std::vector<std::string>& notes) {
  check_words(request);
  const std::vector<PluginInfo> plugins =
      describe_plugins(unique(request.plugins), request.timeout_ns.value_or(kPluginTimeoutNs), request.worker);
  std::vector<std::string> strategies_wanted = unique(request.strategies);
  if (strategies_wanted.empty()) {
    for (const Strategy* strategy : strategies()) {
      if (request.loads && strategy->writes_files()) {
        notes.push_back(fmt::format("{} is left out: it leaves a file on the disk. Name it by --strategy to weigh it",
                                    strategy->name()));
      } else {
        strategies_wanted.emplace_back(strategy->name());
      }
    }
    for (const PluginInfo& plugin : plugins) {
      for (const PluginStrategyInfo& strategy : plugin.strategies) strategies_wanted.push_back(strategy.name);
    }
  }
  const bool dtypes_given = !request.dtypes.empty();
  const std::vector<std::string> dtypes =
      dtypes_given ? unique(request.dtypes) : std::vector<std::string>{"native", "f32", "f16", "int8"};
  std::vector<JobCell> cells;
  for (const std::string& strategy : strategies_wanted) {
    for (const std::string& dtype : dtypes) cells.push_back({strategy, dtype});
  }
  const size_t asked = cells.size();
  if (request.with_others) {
    for (const Strategy* strategy : strategies()) {
      for (const TargetInfo& target : targets()) {
        const JobCell other{std::string(strategy->name()), std::string(target.name)};
        const bool known = std::any_of(cells.begin(), cells.end(), [&](const JobCell& cell) {
          return cell.strategy == other.strategy && cell.dtype == other.dtype;
        });
        if (!known) cells.push_back(other);
      }
    }
  }
  Description description = describe_checkpoint(request.model, plugins, cells, request.passes, request.worker);

  Planned planned;
  for (size_t index = asked; index < description.cells.size(); ++index) {
    const bool native = description.cells[index].dtype == "native";
    if (native || !description.same_as_native[index]) planned.others.push_back(std::move(description.cells[index]));
  }
  description.cells.resize(asked);
  const bool limited = has_limit(request);
  reports::Record& record = planned.record;
  record.version = kVersion;
  record.commit = kCommit;
  record.started = utc_now();
  record.machine = machine_of(description);
  record.checkpoint = description.checkpoint;
  record.settings.seed = request.seed;
  record.settings.repeat = request.repeat;
  record.settings.passes = request.passes;
  record.settings.cache = request.caches.empty() ? limited ? "cold in a limit, else warm" : "warm"
                                                 : fmt::format("{}", fmt::join(request.caches, ","));
  record.settings.thp = request.worker.thp_off ? "off" : "inherit";
  record.settings.sample_interval_ns = request.sample_interval_ns;
  record.settings.command = request.command;
  for (const PluginInfo& plugin : plugins) {
    record.settings.plugins.push_back({plugin.path, plugin.name, plugin.version, plugin.sha256});
  }
  if (request.guard.on) {
    record.settings.reserve_bytes = request.guard.reserve_bytes.value_or(default_reserve(record.machine.memory_bytes));
  }
  if (limited && cages != nullptr && !cages->possible()) {
    record.settings.cage_reason = cages->reason();
    if (!request.no_scope.empty()) record.settings.cage_reason += "; " + request.no_scope;
  }
  planned.files = description.files;

  std::vector<std::string> dropped;
  std::vector<bool> left_out(description.cells.size(), false);
  for (size_t index = 0; index < description.cells.size(); ++index) {
    const std::string& dtype = description.cells[index].dtype;
    left_out[index] = !dtypes_given && dtype != "native" && description.same_as_native[index];
    if (left_out[index] && std::find(dropped.begin(), dropped.end(), dtype) == dropped.end()) dropped.push_back(dtype);
  }
  for (const reports::Figure& limit : request.limits) {
    reports::Cell variant;
    variant.limit_bytes = limit;
    if (limit) variant.swap_limit_bytes = request.swap_limit;
    if (cages != nullptr) variant.cage = cages->possible() ? cages->kind() : limit ? "watched" : "";
    const std::vector<std::string> usual{limit ? "cold" : "warm"};
    for (const std::string& cache : request.caches.empty() ? usual : unique(request.caches)) {
      variant.cache = cache;
      add_cells(record, description, left_out, variant);
    }
  }
  for (const std::string& dtype : dropped) {
    notes.push_back(fmt::format("{} is left out: it is what the checkpoint stores, so native measures it", dtype));
  }
  if (!record.settings.cage_reason.empty()) {
    notes.emplace_back("limits are watched here, not held by a cgroup; the result says why");
  }
  return planned;
}

}  // namespace weighbridge
