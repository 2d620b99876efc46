#include "reports/summary.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "reports/forecast.h"
#include "reports/verdict.h"

namespace weighbridge::reports {
namespace {

bool is_plan(const Record& record) {
  return std::all_of(record.cells.begin(), record.cells.end(), [](const Cell& cell) { return cell.trials.empty(); });
}

Bytes added(Bytes a, Bytes b) {  // of a record from outside the sum may pass 64 bits
  return a > std::numeric_limits<Bytes>::max() - b ? std::numeric_limits<Bytes>::max() : a + b;
}

// A way's need hardly depends on its limit, so a limit is looked at for itself.
struct Extremes {
  const Cell *best = nullptr, *lightest = nullptr, *heaviest = nullptr;
};

// Measured by its own trials, else of the worker that predicted.
Bytes floor_of(const Cell& cell) {
  return cell.floor_bytes ? *cell.floor_bytes : cell.predicted ? cell.predicted->floor_bytes.value_or(0) : 0;
}

struct LargestFirst {  // no limit before any
  bool operator()(const Figure& a, const Figure& b) const { return a && b ? *a > *b : !a && b; }
};

}  // namespace

Bytes counted_against(const Bound& bound, const Cell& cell) {
  const auto weight = weight_of(cell);
  const Bytes need = weight ? weight->bytes : 0;
  if (!bound.mappings) return cell.trials.empty() && cell.predicted ? limit_to_ask_for(*cell.predicted) : need;
  const Bytes mapped = cell.predicted ? cell.predicted->reclaimable_bytes : 0;
  return added(need, std::max(mapped, cell.reclaimable_bytes.value_or(0)));
}

std::optional<Bound> bound_of(const Record& record, const Cell& cell) {
  if (cell.limit_bytes) return Bound{*cell.limit_bytes, false};
  std::optional<Bound> least;
  for (const Limit& limit : record.machine.limits) {
    if (limit.bounds == Limit::kBoundsLocked) continue;
    const Bound bound{limit.bytes, limit.bounds == Limit::kBoundsAddressSpace};
    // The one that leaves the cell least room: sums instead of differences, which may be below 0.
    const bool tighter =
        !least || added(bound.bytes, counted_against(*least, cell)) < added(least->bytes, counted_against(bound, cell));
    if (tighter) least = bound;
  }
  return least;
}

Figure limit_of(const Record& record, const Cell& cell) {
  const auto bound = bound_of(record, cell);
  return bound ? Figure(bound->bytes) : std::nullopt;
}

Figure predicted_need(const Cell& cell) {
  return cell.predicted ? Figure(cell.predicted->need_bytes + floor_of(cell)) : std::nullopt;
}

std::optional<Weight> weight_of(const Cell& cell) {
  if (ended_by_itself(cell.verdict) && cell.need_bytes) return Weight{*cell.need_bytes, Weight::Source::measured};
  const Bytes reached = cell.need_bytes.value_or(0);
  if (const Figure predicted = predicted_need(cell); predicted && *predicted >= reached) {
    return Weight{*predicted, Weight::Source::predicted};
  }
  if (cell.need_bytes) return Weight{reached, Weight::Source::reached};
  return std::nullopt;
}

std::optional<Parts> parts_of(const Cell& cell) {
  const auto weight = weight_of(cell);
  if (!weight) return std::nullopt;
  if (weight->source == Weight::Source::predicted) {
    const Prediction& predicted = *cell.predicted;
    return Parts{predicted.weights_bytes, predicted.staging_bytes, predicted.overhead_bytes + floor_of(cell), true};
  }
  if (!cell.at_peak) return std::nullopt;
  return Parts{cell.at_peak->weights, cell.at_peak->staging, cell.at_peak->overhead, false};
}

bool fits_in(const Record& record, const Cell& cell) {
  if (!cell.trials.empty() || !is_plan(record)) return does_fit(cell.verdict);
  const Outcome outcome = forecast(record, cell).outcome;
  return outcome == Outcome::fits || outcome == Outcome::reclaims;
}

Summary summarise(const Record& record) {
  Summary summary;
  summary.plan = is_plan(record);
  summary.ways = record.cells.size();
  const auto cpu = [](const Cell& cell) { return cell.cpu_ns.value_or(~uint64_t{0}); };
  const auto lighter = [&](const Cell& a, const Cell* b) {
    if (b == nullptr) return true;
    const Bytes of_a = weight_of(a)->bytes, of_b = weight_of(*b)->bytes;
    return of_a != of_b ? of_a < of_b : cpu(a) < cpu(*b);
  };
  std::map<Figure, std::pair<InLimit, Extremes>, LargestFirst> limits;
  for (const Cell& cell : record.cells) {
    auto& [in_limit, told] = limits[cell.limit_bytes];
    ++in_limit.ways;
    const bool fits = fits_in(record, cell);
    if (fits) ++in_limit.fitting, ++summary.fitting;
    const bool not_run = cell.verdict.empty() || cell.verdict == verdict::not_run;
    if (not_run) ++summary.not_run;
    const bool unfinished = !summary.plan && did_not_finish(cell.verdict);
    if (unfinished) ++summary.unfinished;
    const auto weight = weight_of(cell);
    if (!weight || unfinished) continue;
    if (fits && lighter(cell, told.best)) told.best = &cell;
    if (!summary.plan && not_run) continue;
    if (lighter(cell, told.lightest)) told.lightest = &cell;
    if (told.heaviest == nullptr || weight->bytes > weight_of(*told.heaviest)->bytes) told.heaviest = &cell;
  }
  const Limit* machines = record.limit();
  for (auto& [limit, of_limit] : limits) {
    auto& [in_limit, told] = of_limit;
    in_limit.limit = limit || machines == nullptr ? limit : Figure(machines->bytes);
    summary.limits.push_back(in_limit);
    if (told.best != nullptr) summary.best = told.best;
    if (summary.lightest != nullptr || told.lightest == nullptr) continue;
    summary.lightest = told.lightest;
    summary.heaviest = told.heaviest;
  }
  return summary;
}

}  // namespace weighbridge::reports
