// A mapping promises to need nothing; tensors that are compressed, big-endian or strided in their file cannot be viewed
// and are read into memory all the same.
#include <fmt/format.h>

#include <algorithm>

#include "reports/findings/rules.h"
#include "reports/printable.h"
#include "reports/units.h"

namespace weighbridge::reports {

std::vector<Finding> not_mapped(const Record& record) {
  Finding finding;
  Bytes most = 0;
  std::string reasons;
  for (const Cell& cell : record.cells) {
    if (cell.fallen_back.empty() || cell.strategy == "direct") continue;  // which maps nothing in any case
    add_cell(finding, cell);
    Bytes bytes = 0;
    std::string why;
    for (const auto& [reason, of_reason] : cell.fallen_back) {
      bytes += of_reason;
      why += (why.empty() ? "" : "; ") + printable(reason);
    }
    if (bytes <= most) continue;
    most = bytes;
    reasons = why;
  }
  if (finding.cells.empty()) return {};
  finding.id = "not-mapped";
  finding.severity = most >= record.checkpoint.bytes / 10 ? "medium" : "low";
  finding.title = fmt::format("{} of the {} cannot be mapped and are read into memory instead: {}", human(most),
                              human(record.checkpoint.bytes), reasons);
  finding.remedy =
      "Write the checkpoint once more so that its bytes lie plainly: np.savez instead of np.savez_compressed, no "
      "compression= and no chunks= in h5py, .contiguous() tensors in torch.save, or safetensors.";
  finding.evidence = {{"not_mapped_bytes", most}, {"checkpoint_bytes", record.checkpoint.bytes}};
  return {finding};
}

}  // namespace weighbridge::reports
