#include "harness/run/trial_maker.h"

#include <algorithm>
#include <utility>

#include "harness/run/lock_self.h"
#include "harness/run/timeline.h"
#include "reports/verdict.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr size_t kTimelineBytes = size_t{16} << 20;  // of this process, for all timelines of a run together

size_t index_of(const std::vector<std::string>& dtypes, const std::string& dtype) {
  return static_cast<size_t>(std::find(dtypes.begin(), dtypes.end(), dtype) - dtypes.begin());
}

}  // namespace

void without_figures(reports::Trial& trial, const char* why) {
  for (const char* figure :
       {"checksum", "floor_bytes", "floor_file_bytes", "cached_before_bytes", "cached_after_bytes"}) {
    trial.unavailable[figure] = why;
  }
}

TrialMaker::TrialMaker(const MatrixRequest& request, Planned planned, std::unique_ptr<Cages> cages, size_t trials)
    : request_(request),
      record_(std::move(planned.record)),
      files_(std::move(planned.files)),
      cages_(std::move(cages)),
      reference_(make_memfd("weighbridge-reference")),
      timeline_rows_(std::clamp<size_t>(kTimelineBytes / sizeof(Sample) / std::max<size_t>(trials, 1), 64, 2048)) {
  for (const reports::Cell& cell : record_.cells) {
    if (index_of(dtypes_, cell.dtype) == dtypes_.size()) dtypes_.push_back(cell.dtype);
  }
  lock_self();  // as far as it may; doctor says how far
}

void TrialMaker::make_reference(const std::function<void(uint64_t, uint64_t)>& tick) {
  WorkerSettings settings = request_.worker;
  settings.reference = reference_.get();
  answers_ = make_references(request_.model, dtypes_, settings, tick);
  for (reports::Cell& cell : record_.cells) {
    const ReferenceAnswer& answer = answers_.at(index_of(dtypes_, cell.dtype));
    cell.accuracy = answer.accuracy;
    cell.kept_native_tensors = answer.kept_native;
    if (!cell.accuracy) cell.unavailable["accuracy"] = "no tensor was converted";
  }
}

const std::string& TrialMaker::checksum(const std::string& dtype) const {
  return answers_.at(index_of(dtypes_, dtype)).checksum;
}

reports::Trial TrialMaker::run(const reports::Cell& cell, const std::optional<uint64_t>& timeout_ns,
                               const std::function<void(const TrialProgress&)>& tick) {
  Job job;
  job.mode = "trial";
  job.model = request_.model;
  job.cells = {{reports::strategy_name(cell), cell.dtype}};
  job.plugin = cell.plugin;
  job.targets = dtypes_;
  job.passes = request_.passes;
  job.metered = request_.worker.metered;
  TrialSettings settings;
  settings.worker = request_.worker;
  settings.worker.reference = reference_.get();
  settings.sample_interval_ns = request_.sample_interval_ns;
  settings.timeout_ns = timeout_ns;
  settings.cache = {files_, cell.cache == "cold"};
  settings.limits = {cell.limit_bytes, cell.swap_limit_bytes};
  settings.cages = cages_.get();
  settings.guard = request_.guard;
  settings.timeline_rows = timeline_rows_;
  try {
    return run_trial(job, settings, cell, record_, tick);
  } catch (const std::exception& error) {
    // Not even a worker could be started, or this process itself ran short: what was measured before is kept.
    reports::Trial trial;
    trial.verdict = reports::verdict::failed;
    trial.reason = error.what();
    without_figures(trial, "the trial could not be run");
    return trial;
  }
}

}  // namespace weighbridge
