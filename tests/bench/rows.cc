#include "tests/bench/rows.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "strategies/error.h"
#include "tests/bench/progress.h"

namespace weighbridge::bench {
namespace {

constexpr int kChoosingRounds = 5;

// The limit to take, by the median of a few rounds in turn.
const Limit& choose(const Row& row) {
  if (row.limits.size() == 1) return row.limits.front();
  std::vector<std::vector<double>> seconds(row.limits.size());
  for (int round = 0; round < kChoosingRounds; ++round) {
    for (size_t i = 0; i < row.limits.size(); ++i) seconds[i].push_back(row.limits[i].work());
  }
  const auto slower = [](const auto& a, const auto& b) { return median(a) < median(b); };
  const auto chosen = row.against == Row::Against::fastest ? std::min_element(seconds.begin(), seconds.end(), slower)
                                                           : std::max_element(seconds.begin(), seconds.end(), slower);
  return row.limits[static_cast<size_t>(chosen - seconds.begin())];
}

// One repetition: a pair, and before the first one what a row needs once.
class Pairs {
 public:
  Pairs(Row& row, int pairs) : row_(row), pairs_(static_cast<size_t>(pairs)) {}

  void repetition(benchmark::State& state) {
    row_.outcome.asked_for = true;
    try {
      if (!row_.outcome.error.empty()) throw Error(ErrorKind::environment, row_.outcome.error);
      for (auto _ : state) {
        if (MeteredRuns::running()) {
          state.SetIterationTime(MeteredRuns::wants_work(row_.outcome.heap) ? row_.work() : 1);  // nobody's clock
        } else {
          show_progress(row_.name, row_.outcome.seconds.size() + 1, pairs_);
          state.PauseTiming();  // cpu_time is the work's alone, too
          begin();
          pair(state);
          state.ResumeTiming();
        }
      }
      report(state);
    } catch (const Error& error) {
      row_.outcome.error = error.what();
      state.SkipWithError(row_.outcome.error.c_str());
    }
  }

 private:
  void begin() {
    if (begun_) return;
    if (row_.reads_file) Ground::get().warm_up();
    if (row_.prepare) row_.prepare(row_);
    if (row_.weighs) row_.outcome.weighed = Ground::get().weigh(row_.work);
    if (!row_.limits.empty()) {
      limit_ = &choose(row_);
      row_.outcome.limit = limit_->name;
    }
    begun_ = true;
  }

  void pair(benchmark::State& state) {
    if (row_.reads_file) Ground::get().warm_up();
    Row::Outcome& outcome = row_.outcome;
    double limit_seconds = 0;
    const auto timed_work = [&] {
      state.ResumeTiming();
      const double seconds = row_.work();
      state.PauseTiming();
      return seconds;
    };
    const bool first = outcome.seconds.size() % 2 == 0;
    double seconds = first ? timed_work() : 0;
    if (limit_ != nullptr) limit_seconds = limit_->work();
    if (!first) seconds = timed_work();
    state.SetIterationTime(seconds);
    outcome.seconds.push_back(seconds);
    if (limit_ == nullptr) return;
    outcome.limit_seconds.push_back(limit_seconds);
    outcome.ratios.push_back(limit_seconds / seconds);
  }

  void report(benchmark::State& state) {
    if (MeteredRuns::running()) return;
    state.SetBytesProcessed(static_cast<int64_t>(row_.bytes));
    if (limit_ != nullptr) {
      state.SetLabel("against " + limit_->name);
      state.counters["ratio"] = row_.outcome.ratios.back();
      state.counters["limit_ms"] = row_.outcome.limit_seconds.back() * 1e3;
      if (row_.bar) state.counters["bar"] = *row_.bar;
    }
    if (row_.outcome.weighed) {
      state.counters["need_bytes"] = static_cast<double>(row_.outcome.weighed->need_bytes);
      state.counters["minor_faults"] = static_cast<double>(row_.outcome.weighed->minor_faults);
      state.counters["major_faults"] = static_cast<double>(row_.outcome.weighed->major_faults);
      if (row_.predicted_bytes) state.counters["predicted_bytes"] = static_cast<double>(*row_.predicted_bytes);
    }
  }

  Row& row_;
  const size_t pairs_;
  const Limit* limit_ = nullptr;
  bool begun_ = false;
};

double low95(const std::vector<double>& values) {
  const auto interval = median_interval(values);
  return interval ? interval->low : *std::min_element(values.begin(), values.end());
}
double high95(const std::vector<double>& values) {
  const auto interval = median_interval(values);
  return interval ? interval->high : *std::max_element(values.begin(), values.end());
}

}  // namespace

Row::Outcome::Verdict Row::Outcome::verdict(std::optional<double> bar) const {
  if (!bar) return Verdict::no_bar;
  const auto interval = median_interval(ratios);
  if (!interval) return Verdict::undecided;
  if (interval->high < *bar) return Verdict::missed;
  return interval->low >= *bar ? Verdict::held : Verdict::undecided;
}

std::vector<Row*>& rows() {
  static std::vector<Row*> all;
  return all;
}

Row& add_row(Row row) {
  rows().push_back(new Row(std::move(row)));
  return *rows().back();
}

Row* find_row(const std::string& name) {
  const auto found = std::find_if(rows().begin(), rows().end(), [&](const Row* row) { return row->name == name; });
  return found == rows().end() ? nullptr : *found;
}

void register_rows(int pairs) {
  for (Row* row : rows()) {
    const auto turns = std::make_shared<Pairs>(*row, pairs);
    auto* benchmark =
        benchmark::RegisterBenchmark(row->name.c_str(), [turns](benchmark::State& state) { turns->repetition(state); });
    benchmark->Iterations(1)->Repetitions(pairs)->UseManualTime()->Unit(benchmark::kMillisecond);
    if (interval_rank(static_cast<size_t>(pairs)) > 0) {
      benchmark->ComputeStatistics("low95", low95)->ComputeStatistics("high95", high95);
    }
  }
}

}  // namespace weighbridge::bench
