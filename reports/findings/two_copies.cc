// The whole checkpoint in memory, and the model's own tensors beside it: what torch.load + load_state_dict do, and what
// converting after loading does. It needs S + T where T is enough.
#include <fmt/format.h>

#include <map>
#include <utility>

#include "reports/findings/rules.h"
#include "reports/summary.h"
#include "reports/units.h"
#include "reports/verdict.h"

namespace weighbridge::reports {
namespace {

bool may_copy(const Cell& cell) {
  return cell.strategy == "state-dict" || cell.strategy == "convert-after";
}

// As the table shows it, floor included.
std::string needs(const Cell& cell) {
  const Weight weight = *weight_of(cell);
  return (weight.source == Weight::Source::predicted ? "would need " : "needs ") + human(weight.bytes);
}

const char* remedy_of(const Cell& heavy, const std::string& format) {
  if (format == "numpy")
    return "In NumPy: np.load(path, mmap_mode=\"r\"), and copy array by array into the model's own.";
  if (format == "hdf5") {
    return "In h5py: dataset.read_direct(array) into the model's own arrays, one after another, and no dict of copies. "
           "In "
           "Keras: model.load_weights(path) on a model that is built already.";
  }
  if (format == "onnx") {
    return "In ONNX Runtime: give InferenceSession the path, not a model that onnx.load() holds already, and keep the "
           "weights as external data.";
  }
  if (format == "gguf") return "In llama.cpp: leave the mapping on (no --no-mmap).";
  if (heavy.strategy == "convert-after") {
    return "Convert each tensor as it is read, not the model afterwards. In Transformers: from_pretrained(..., "
           "dtype=...) (torch_dtype=... in older releases) instead of .to(dtype) or .half() on the loaded model. In "
           "PyTorch: open the safetensors file with safe_open() and copy tensor by tensor.";
  }
  return "Let the file's tensors become the model's. In PyTorch: build the model under torch.device(\"meta\"), then "
         "torch.load(path, mmap=True, weights_only=True) and model.load_state_dict(state, assign=True). In "
         "Transformers: "
         "from_pretrained(..., low_cpu_mem_usage=True), with a safetensors checkpoint, which is read tensor by tensor.";
}

}  // namespace

std::vector<Finding> two_copies(const Record& record) {
  const Bytes stored = record.checkpoint.bytes;
  std::map<std::string, std::pair<Finding, Bytes>> of_dtype;  // with the cost of its heaviest cell
  for (const Cell& cell : record.cells) {
    if (!may_copy(cell)) continue;
    const auto heavy = cost(cell);
    const Cell* lighter = lightest_like(record, cell);
    if (!heavy || lighter == nullptr || lighter == &cell) continue;
    const Bytes least = cost(*lighter)->bytes;
    // A second copy of S, give or take a tenth: state-dict may keep tensors in shared storage and free some early.
    if (stored == 0 || heavy->bytes < least + stored / 10 * 9 || heavy->bytes < stored / 10 * 15) continue;

    auto& [finding, heaviest] = of_dtype[cell.dtype];
    add_cell(finding, cell);
    // Of several limits the heaviest is measured in the largest: that it breaks in a smaller one is what matters.
    if (does_not_fit(cell.verdict)) finding.severity = "high";
    if (heavy->bytes <= heaviest) continue;
    heaviest = heavy->bytes;
    finding.id = "two-copies";
    if (finding.severity.empty()) finding.severity = "medium";
    finding.title = fmt::format("Two full copies exist at once while {} loads: it {}, {} needs {}", cell_name(cell),
                                needs(cell), cell_name(*lighter), human(weight_of(*lighter)->bytes));
    finding.remedy = fmt::format("Load as {} does. {}", cell_name(*lighter), remedy_of(cell, record.checkpoint.format));
    finding.evidence = {{"checkpoint_bytes", stored},
                        {heavy->measured ? "need_bytes" : "predicted_need_bytes", weight_of(cell)->bytes},
                        {"lighter_need_bytes", weight_of(*lighter)->bytes}};
    finding.saves_bytes = heavy->bytes - least;
  }
  std::vector<Finding> found;
  for (auto& [dtype, finding] : of_dtype) found.push_back(std::move(finding.first));
  return found;
}

}  // namespace weighbridge::reports
