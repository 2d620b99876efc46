#include "reports/findings/findings.h"

#include <algorithm>
#include <iterator>

#include "reports/findings/rules.h"
#include "reports/verdict.h"

namespace weighbridge::reports {
namespace {

constexpr std::vector<Finding> (*kRules[])(const Record&) = {
    asks_to_run_code, two_copies,         upcast,      cache_is_not_need,
    optimizer_state,  prediction_differs, kept_native, not_mapped,
};

int rank(const std::string& severity) {
  return severity == "high" ? 0 : severity == "medium" ? 1 : 2;
}

}  // namespace

std::vector<Finding> find(const Record& record) {
  std::vector<Finding> all;
  for (const auto rule : kRules) {
    std::vector<Finding> found = rule(record);
    std::move(found.begin(), found.end(), std::back_inserter(all));
  }
  // What endangers comes before what saves.
  const auto endangers = [](const Finding& finding) { return finding.severity == "high" && !finding.saves_bytes; };
  std::stable_sort(all.begin(), all.end(), [&](const Finding& a, const Finding& b) {
    if (endangers(a) != endangers(b)) return endangers(a);
    const Bytes a_saves = a.saves_bytes.value_or(0), b_saves = b.saves_bytes.value_or(0);
    return a_saves != b_saves ? a_saves > b_saves : rank(a.severity) < rank(b.severity);
  });
  return all;
}

std::optional<Cost> cost(const Cell& cell) {
  if (ended_by_itself(cell.verdict) && cell.need_bytes) {
    if (!cell.floor_bytes) return std::nullopt;  // neither known without it, nor to be taken from a prediction
    return Cost{*cell.need_bytes - std::min(*cell.need_bytes, *cell.floor_bytes), true};
  }
  if (cell.predicted) return Cost{cell.predicted->need_bytes, false};
  return std::nullopt;
}

const Cell* lightest_like(const Record& record, const Cell& cell) {
  const Cell* lightest = nullptr;
  Bytes least = 0;
  for (const Cell& other : record.cells) {
    if (other.dtype != cell.dtype || other.limit_bytes != cell.limit_bytes || other.cache != cell.cache) continue;
    if (!does_fit(other.verdict)) continue;
    const auto of_other = cost(other);
    if (!of_other || (lightest != nullptr && of_other->bytes >= least)) continue;
    lightest = &other;
    least = of_other->bytes;
  }
  return lightest;
}

void add_cell(Finding& finding, const Cell& cell) {
  const std::string name = cell_name(cell);
  if (std::find(finding.cells.begin(), finding.cells.end(), name) == finding.cells.end()) finding.cells.push_back(name);
}

}  // namespace weighbridge::reports
