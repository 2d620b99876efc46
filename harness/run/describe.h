// What a worker says of a checkpoint: the parent itself never parses one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/run/worker_process.h"
#include "reports/record.h"
#include "strategies/plugin/plugin_info.h"

namespace weighbridge {

struct Description {
  reports::Checkpoint checkpoint;
  std::vector<std::string> files;
  std::string allocator;
  reports::Figure counter_lag_bytes;  // see counter_error_bytes; null where it could not be tested
  // One a job cell, in order: strategy, options and prediction filled in, dtype as asked.
  std::vector<reports::Cell> cells;
  std::vector<bool> same_as_native;  // nothing is converted
};

// Throws Error: bad_input for the checkpoint, usage for an unknown strategy, option or dtype. The cells of plug-ins are
// described by what these declared; no library is loaded.
Description describe_checkpoint(const std::string& model, const std::vector<PluginInfo>& plugins,
                                const std::vector<JobCell>& cells, int passes, const WorkerSettings& settings);

// What the libraries declare, each loaded by a worker of its own: their code may crash or hang. Throws Error(bad_input)
// where one is no plug-in, does not describe itself within `timeout_ns`, or has a strategy that another one has, too.
std::vector<PluginInfo> describe_plugins(const std::vector<std::string>& paths, uint64_t timeout_ns,
                                         const WorkerSettings& settings);
constexpr uint64_t kPluginTimeoutNs = 30'000'000'000;  // where nobody says otherwise: a large library on a slow disk

struct ReferenceAnswer {
  std::string checksum;
  std::optional<reports::Accuracy> accuracy;
  uint64_t kept_native = 0;
};
// One a dtype. The hashes go to settings.reference, which must be a memfd. `tick(done, total)` in bytes.
std::vector<ReferenceAnswer> make_references(const std::string& model, const std::vector<std::string>& dtypes,
                                             const WorkerSettings& settings,
                                             const std::function<void(uint64_t, uint64_t)>& tick);

}  // namespace weighbridge
