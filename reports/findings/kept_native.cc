// Tensors that have no form in the dtype asked for (integers, rows that do not divide into blocks) stay as stored, so a
// cell is heavier than its dtype promises.
#include <fmt/format.h>

#include <map>

#include "reports/findings/rules.h"
#include "reports/units.h"

namespace weighbridge::reports {

std::vector<Finding> kept_native(const Record& record) {
  std::map<std::string, Finding> of_dtype;
  for (const Cell& cell : record.cells) {
    if (cell.kept_native_tensors == 0) continue;
    Finding& finding = of_dtype[cell.dtype];
    add_cell(finding, cell);
    const uint64_t before = finding.evidence.empty() ? 0 : finding.evidence.front().second;
    if (cell.kept_native_tensors <= before) continue;
    finding.id = "kept-native";
    finding.severity = "low";
    finding.title =
        fmt::format("{} of {} could not become {} and stayed as stored", human_count(cell.kept_native_tensors),
                    counted(record.checkpoint.tensors, "tensor", "tensors"), cell.dtype);
    finding.remedy = fmt::format(
        "Nothing to repair: their shape or type has no form in {}. `weighbridge inspect` lists them; where they are "
        "large, "
        "another dtype may be lighter in all.",
        cell.dtype);
    finding.evidence = {{"kept_native_tensors", cell.kept_native_tensors}, {"tensors", record.checkpoint.tensors}};
  }
  std::vector<Finding> found;
  for (auto& [dtype, finding] : of_dtype) found.push_back(std::move(finding));
  return found;
}

}  // namespace weighbridge::reports
