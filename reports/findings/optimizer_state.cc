// A training checkpoint: the optimizer's state (two f32 for each parameter with Adam) is loaded with the weights and is
// of no use to inference.
#include <fmt/format.h>

#include <algorithm>

#include "reports/findings/rules.h"
#include "reports/units.h"

namespace weighbridge::reports {

std::vector<Finding> optimizer_state(const Record& record) {
  Bytes bytes = 0;
  for (const Remark& remark : record.checkpoint.remarks) {
    if (remark.id == kOptimizerState) bytes += remark.bytes;
  }
  bytes = std::min(bytes, record.checkpoint.bytes);
  if (bytes == 0) return {};
  Finding finding;
  finding.id = kOptimizerState;
  finding.severity = bytes >= record.checkpoint.bytes / 4 ? "medium" : "low";
  finding.title = fmt::format("{} of the {} in this checkpoint are optimizer state, which inference does not use",
                              human(bytes), human(record.checkpoint.bytes));
  finding.remedy =
      "Save the weights alone, once: in PyTorch torch.save(checkpoint[\"state_dict\"], path) with the key that holds "
      "the "
      "model, or safetensors.torch.save_file; in Keras model.save(path, include_optimizer=False).";
  finding.evidence = {{"optimizer_state_bytes", bytes}, {"checkpoint_bytes", record.checkpoint.bytes}};
  return {finding};
}

}  // namespace weighbridge::reports
