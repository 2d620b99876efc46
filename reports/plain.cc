// The table for programs: tab-separated.
#include <fmt/format.h>

#include <vector>

#include "reports/fit_table.h"
#include "reports/printable.h"
#include "reports/terminal.h"

namespace weighbridge::reports {

std::string render_plain(const Record& record) {
  if (record.cells.empty() && !record.fits.empty()) return render_fit_plain(record);
  std::string out =
      "strategy\toptions\tdtype\tlimit_bytes\tcache\tverdict\tneed_bytes\tneed_error_bytes\tfloor_bytes\treclaimable_"
      "bytes\t"
      "peak_rss_bytes\tpage_table_bytes\tswap_peak_bytes\tpredicted_need_bytes\tpredicted_reclaimable_bytes\tminor_"
      "faults\t"
      "major_faults\tcpu_ns\twall_ns\treason\tswap_limit_bytes\tcage\n";
  const auto figure = [](const Figure& value) { return value ? std::to_string(*value) : "-"; };
  const auto text = [](const std::string& value) { return value.empty() ? "-" : printable(value); };
  for (const Cell& cell : record.cells) {
    std::string options;
    for (const auto& [name, value] : cell.options) options += (options.empty() ? "" : ",") + name + "=" + value;
    const std::vector<std::string> fields = {
        text(cell.strategy),
        text(options),
        text(cell.dtype),
        figure(cell.limit_bytes),
        text(cell.cache),
        text(cell.verdict),
        figure(cell.need_bytes),
        figure(cell.need_error_bytes),
        figure(cell.floor_bytes),
        figure(cell.reclaimable_bytes),
        figure(cell.peak_rss_bytes),
        figure(cell.page_table_bytes),
        figure(cell.swap_peak_bytes),
        cell.predicted ? std::to_string(cell.predicted->need_bytes) : "-",
        cell.predicted ? std::to_string(cell.predicted->reclaimable_bytes) : "-",
        figure(cell.minor_faults),
        figure(cell.major_faults),
        figure(cell.cpu_ns),
        figure(cell.wall_ns),
        text(cell.reason),
        figure(cell.swap_limit_bytes),
        text(cell.cage),
    };
    out += fmt::format("{}\n", fmt::join(fields, "\t"));
  }
  return out;
}

}  // namespace weighbridge::reports
