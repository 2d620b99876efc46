// A plan predicts the need to the page. Where the measurement is elsewhere by more than allocator and kernel can
// explain, one of the two is wrong, and neither should be trusted before it is known which.
#include <fmt/format.h>

#include <cstdlib>

#include "reports/findings/rules.h"
#include "reports/units.h"
#include "reports/verdict.h"

namespace weighbridge::reports {
namespace {
constexpr Bytes kAllowance = 4 << 20;  // and 2 %, and what the kernel's counters may be off
}

std::vector<Finding> prediction_differs(const Record& record) {
  Finding finding;
  Bytes most = 0;
  for (const Cell& cell : record.cells) {
    if (!cell.predicted) continue;
    const auto loading = cost(cell);
    if (!loading || !loading->measured) continue;
    const Bytes measured = loading->bytes, predicted = cell.predicted->need_bytes;
    const auto off = static_cast<Bytes>(std::abs(cell.predicted->off(measured)));
    if (off <= predicted / 50 + kAllowance + cell.need_error_bytes.value_or(0)) continue;
    add_cell(finding, cell);
    if (off <= most) continue;
    most = off;
    finding.title = fmt::format("Prediction and measurement differ by {}: {} was predicted to need {}, and needed {}",
                                human(off), cell_name(cell), human(predicted), human(measured));
    finding.evidence = {{"predicted_need_bytes", predicted}, {"need_without_floor_bytes", measured}};
  }
  if (finding.cells.empty()) return {};
  finding.id = "prediction-differs";
  finding.severity = "medium";
  finding.remedy =
      "Trust the measurement for this machine, and plans for it only with this difference in mind. Above the "
      "prediction: look at the split at the peak; weights and staging as predicted mean that allocator or libraries "
      "hold the rest. Below it: pages were given back (swap, MADV_FREE) or shared.";
  return {finding};
}

}  // namespace weighbridge::reports
