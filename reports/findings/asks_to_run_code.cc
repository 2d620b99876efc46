// A pickle that names something other than tensors and containers: whoever loads it with an ordinary unpickler runs
// what it names. weighbridge never does; what it names may be harmless (a class of the training code) or an attack.
#include <fmt/format.h>

#include <cctype>

#include "reports/findings/rules.h"
#include "reports/printable.h"

namespace weighbridge::reports {

std::vector<Finding> asks_to_run_code(const Record& record) {
  Finding finding;
  uint64_t names = 0;
  std::string first;
  for (const Remark& remark : record.checkpoint.remarks) {
    if (remark.id != kAsksToRunCode) continue;
    if (names++ == 0 && !remark.text.empty()) first = printable(remark.text);
  }
  if (first.empty()) return {};
  finding.id = kAsksToRunCode;
  finding.severity = "high";
  first[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(first[0])));
  finding.title = names == 1 ? first : fmt::format("{}, and {} more", first, names - 1);
  finding.remedy =
      "Nothing of it was run here. Load it with torch.load(..., weights_only=True) only, or not at all where you do "
      "not "
      "know who made it; to keep the weights, save them as safetensors (safetensors.torch.save_file).";
  finding.evidence = {{"names", names}};
  return {finding};
}

}  // namespace weighbridge::reports
