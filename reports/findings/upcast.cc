// A checkpoint of 16-bit numbers loaded as f32: twice the bytes, and not one bit more in them.
#include <fmt/format.h>

#include "reports/findings/rules.h"
#include "reports/units.h"
#include "reports/verdict.h"

namespace weighbridge::reports {
namespace {

Bytes bytes_of_16_bits(const Checkpoint& checkpoint) {
  Bytes bytes = 0;
  for (const auto& [dtype, of_dtype] : checkpoint.dtypes) {
    if (dtype == "f16" || dtype == "bf16" || dtype == "F16" || dtype == "BF16") bytes += of_dtype;
  }
  return bytes;
}

// The same way to load, at the dtype as stored.
const Cell* native_twin(const Record& record, const Cell& cell) {
  for (const Cell& other : record.cells) {
    const bool native = other.dtype == "native" || record.checkpoint.dtypes.count(other.dtype) != 0;
    if (native && other.dtype != cell.dtype && other.strategy == cell.strategy && other.options == cell.options &&
        other.limit_bytes == cell.limit_bytes && other.cache == cell.cache && cost(other)) {
      return &other;
    }
  }
  return nullptr;
}

}  // namespace

std::vector<Finding> upcast(const Record& record) {
  const Bytes sixteen = bytes_of_16_bits(record.checkpoint);
  if (sixteen == 0 || sixteen < record.checkpoint.bytes / 10 * 9) return {};
  Finding finding;
  bool breaks = false;  // an f32 cell does not fit
  for (const Cell& cell : record.cells) {
    if (cell.dtype != "f32") continue;
    add_cell(finding, cell);
    breaks = breaks || does_not_fit(cell.verdict);
    const Cell* twin = native_twin(record, cell);
    const auto wide = cost(cell);
    if (twin == nullptr || !wide) continue;
    const Bytes narrow = cost(*twin)->bytes;
    if (wide->bytes > narrow && wide->bytes - narrow > finding.saves_bytes.value_or(0)) {
      finding.saves_bytes = wide->bytes - narrow;
      finding.evidence = {{wide->measured ? "need_without_floor_bytes" : "predicted_need_bytes", wide->bytes},
                          {"native_need_without_floor_bytes", narrow}};
    }
  }
  if (finding.cells.empty()) return {};
  finding.id = "upcast";
  finding.severity = breaks ? "high" : "medium";
  finding.title = fmt::format("The checkpoint stores 16-bit numbers; as f32 its {} become {}",
                              human(record.checkpoint.bytes), human(record.checkpoint.bytes + sixteen));
  finding.remedy =
      "Keep the dtype it is stored in: from_pretrained(..., dtype=\"auto\") in Transformers (torch_dtype=\"auto\" in "
      "older releases, whose default is f32); in PyTorch build the model under torch.set_default_dtype(torch.bfloat16) "
      "or torch.float16. The values are the same: f32 adds no precision that the file does not have.";
  finding.evidence.insert(finding.evidence.begin(),
                          {{"checkpoint_bytes", record.checkpoint.bytes}, {"stored_16_bit_bytes", sixteen}});
  if (!finding.saves_bytes) finding.saves_bytes = sixteen;
  return {finding};
}

}  // namespace weighbridge::reports
