// Most of a cell's resident set is clean file pages, which the kernel takes back at no cost but reading them again. Who
// sizes a container by peak RSS pays for memory that nobody needs.
#include <fmt/format.h>

#include "reports/findings/rules.h"
#include "reports/units.h"
#include "reports/verdict.h"

namespace weighbridge::reports {
namespace {
constexpr Bytes kWorthSaying = 16 << 20;
}

std::vector<Finding> cache_is_not_need(const Record& record) {
  Finding finding;
  Bytes most = 0;
  for (const Cell& cell : record.cells) {
    if (!ended_by_itself(cell.verdict) || !cell.need_bytes || !cell.reclaimable_bytes || !cell.peak_rss_bytes) continue;
    const Bytes reclaimable = *cell.reclaimable_bytes;
    if (reclaimable < kWorthSaying || reclaimable <= *cell.need_bytes) continue;
    add_cell(finding, cell);
    if (reclaimable <= most) continue;
    most = reclaimable;
    finding.title = fmt::format("Peak RSS misleads: {} shows {}, but needs {}; the rest is page cache", cell_name(cell),
                                human(*cell.peak_rss_bytes), human(*cell.need_bytes));
    finding.evidence = {
        {"peak_rss_bytes", *cell.peak_rss_bytes}, {"need_bytes", *cell.need_bytes}, {"reclaimable_bytes", reclaimable}};
  }
  if (finding.cells.empty()) return {};
  finding.id = "cache-is-not-need";
  finding.severity = "low";
  finding.remedy =
      "Size a limit by the need, not by peak RSS or a container's usage. What room is left above it keeps pages "
      "cached, "
      "so that weights need not be read from the file again.";
  return {finding};
}

}  // namespace weighbridge::reports
