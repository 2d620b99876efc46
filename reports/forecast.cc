#include "reports/forecast.h"

#include <algorithm>
#include <limits>

#include "reports/summary.h"

namespace weighbridge::reports {
namespace {

Bytes added(Bytes a, Bytes b) {  // of a record from outside the sum may pass 64 bits
  return a > std::numeric_limits<Bytes>::max() - b ? std::numeric_limits<Bytes>::max() : a + b;
}

Outcome outcome_of(const Bound& bound, const Cell& cell) {
  // Address space is taken or refused when it is asked for: nothing is given back, and nothing is read beside it.
  if (bound.mappings) return counted_against(bound, cell) <= bound.bytes ? Outcome::fits : Outcome::too_large;
  const Prediction& predicted = *cell.predicted;
  if (must_hold(predicted) > bound.bytes) return Outcome::too_large;
  if (limit_to_ask_for(predicted) > bound.bytes) return Outcome::too_close;
  return limit_that_holds_all(predicted) > bound.bytes ? Outcome::reclaims : Outcome::fits;
}

}  // namespace

Bytes must_hold(const Prediction& predicted) {
  return added(added(predicted.need_bytes, predicted.floor_bytes.value_or(0)), predicted.page_table_bytes.value_or(0));
}

Bytes limit_to_ask_for(const Prediction& predicted) {
  return added(must_hold(predicted), kReading + std::min(kMappedWindow, predicted.reclaimable_bytes));
}

Bytes limit_that_holds_all(const Prediction& predicted) {
  return added(must_hold(predicted), added(kReading, predicted.reclaimable_bytes));
}

const char* word_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::fits:
      return "fits";
    case Outcome::reclaims:
      return "fits-reclaiming";
    case Outcome::too_close:
      return "too-close";
    case Outcome::too_large:
      return "too-large";
    case Outcome::unknown:
      break;
  }
  return "unknown";
}

Forecast forecast(const Record& record, const Cell& cell) {
  Forecast made{&cell, Outcome::unknown, std::nullopt};
  const auto bound = bound_of(record, cell);
  if (bound) made.limit = bound->bytes;
  if (cell.predicted) made.outcome = bound ? outcome_of(*bound, cell) : Outcome::fits;
  return made;
}

std::vector<Forecast> ranked(const Record& record) {
  std::vector<Forecast> all;
  for (const Cell& cell : record.cells) all.push_back(forecast(record, cell));
  const auto place = [](const Forecast& one) { return one.outcome == Outcome::reclaims ? Outcome::fits : one.outcome; };
  std::stable_sort(all.begin(), all.end(), [&](const Forecast& a, const Forecast& b) {
    if (place(a) != place(b)) return place(a) < place(b);
    return a.cell->predicted && b.cell->predicted &&
           limit_to_ask_for(*a.cell->predicted) < limit_to_ask_for(*b.cell->predicted);
  });
  return all;
}

}  // namespace weighbridge::reports
