#include "harness/worker/savings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "harness/worker/inspect.h"
#include "reports/printable.h"
#include "reports/units.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

using reports::counted;
using reports::human;

std::string percent(uint64_t part, uint64_t of) {
  const double share = of == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(of);
  return fmt::format("{:.1f} %", share);
}

// Short, so that a line that quotes two of them is not all names.
std::string quoted(const std::string& name) {
  return fmt::format("\"{}\"", short_name(name, 40));
}

std::string tensors_text(uint64_t count) {
  return counted(count, "tensor", "tensors");
}

class Findings {
 public:
  Findings(const Checkpoint& checkpoint, const Roles& roles, const Survey& survey)
      : checkpoint_(checkpoint), roles_(roles), survey_(survey) {}

  std::vector<ValueFinding> all() {
    not_finite("not-a-number", "NaN", &Numbers::nans);
    not_finite("infinite", "infinite", &Numbers::infinities);
    const size_t dangers = found_.size();
    narrower();
    zeros();
    duplicates();
    constants();
    std::stable_sort(found_.begin() + static_cast<std::ptrdiff_t>(dangers), found_.end(),
                     [](const auto& left, const auto& right) { return left.saves_bytes > right.saves_bytes; });
    return std::move(found_);
  }

 private:
  const Tensor& tensor(uint32_t index) const { return checkpoint_.tensors[index]; }
  const TensorValues& values(uint32_t index) const { return survey_.tensors[index]; }

  // `visit(index)` of each tensor that has elements of its own.
  template <class Visit>
  void each(Visit visit) const {
    for (uint32_t i = 0; i < checkpoint_.tensors.size(); ++i) {
      if (tensor(i).same_as == Tensor::kItself && tensor(i).bytes() > 0) visit(i);
    }
  }

  void not_finite(const char* id, const char* word, uint64_t Numbers::*count) {
    uint64_t tensors = 0, numbers = 0;
    std::optional<uint32_t> first;
    each([&](uint32_t i) {
      const uint64_t here = values(i).numbers.*count;
      // A mask is made of infinities.
      if (here == 0 || (count == &Numbers::infinities && roles_.of(i).role == Role::buffer)) return;
      if (!first) first = i;
      ++tensors;
      numbers += here;
    });
    if (!first) return;
    found_.push_back(
        {id,
         fmt::format("{} {} {} in {} ({}{}): whatever is computed from {} is lost", counted(numbers, "value", "values"),
                     numbers == 1 ? "is" : "are", word, tensors_text(tensors), quoted(tensor(*first).name),
                     tensors > 1 ? ", ..." : "", numbers == 1 ? "it" : "them"),
         "", "", tensors, 0});
  }

  // One dtype for the whole checkpoint: that which saves most. Of two alike the one named first.
  void narrower() {
    struct Candidate {
      Dtype dtype;
      uint64_t tensors = 0, saves = 0, wider = 0;  // tensors of wider floats that there are, fitting or not
    };
    std::array<Candidate, 5> candidates{
        {{Dtype::bf16}, {Dtype::f16}, {Dtype::f8_e4m3}, {Dtype::f8_e5m2}, {Dtype::f32}}};
    each([&](uint32_t i) {
      const Tensor& one = tensor(i);
      for (Candidate& candidate : candidates) {
        const uint64_t narrow = element_count(one.shape).value() * block(candidate.dtype).bytes;
        if (value_kind(one.dtype) != ValueKind::numbers || block(one.dtype).elements != 1 || narrow >= one.bytes()) {
          continue;
        }
        ++candidate.wider;
        const auto& fits = values(i).fits;
        if (std::find(fits.begin(), fits.end(), candidate.dtype) == fits.end()) continue;
        ++candidate.tensors;
        candidate.saves += one.bytes() - narrow;
      }
    });
    const auto best = std::max_element(candidates.begin(), candidates.end(),
                                       [](const auto& left, const auto& right) { return left.saves < right.saves; });
    if (best->saves == 0) return;
    const std::string_view to = name(best->dtype);
    const bool all = best->tensors == best->wider;
    const std::string half = all && 2 * best->saves == checkpoint_.stored_bytes() ? "half the bytes, " : "";
    ValueFinding finding{
        "narrower",
        fmt::format("stored as {}, but every value{} fits {} exactly: {}nothing lost", stored_as(best->dtype),
                    all ? "" : fmt::format(" of {} of {}", best->tensors, tensors_text(best->wider)), to, half),
        fmt::format("convert {} before saving; what loads it as {} needs no more either", all ? "them" : "these", to),
        "",
        best->tensors,
        best->saves};
    const auto targets = weighbridge::targets();
    const bool offered = std::any_of(targets.begin(), targets.end(),
                                     [&](const TargetInfo& info) { return info.target.dtype == best->dtype; });
    if (all && offered) finding.command = command("plan", fmt::format(" --dtype {}", to));
    found_.push_back(std::move(finding));
  }

  // "f32", "f64 and f32": what fits.
  std::string stored_as(Dtype fitting) const {
    std::vector<Dtype> dtypes;
    each([&](uint32_t i) {
      const auto& fits = values(i).fits;
      if (std::find(fits.begin(), fits.end(), fitting) != fits.end() &&
          std::find(dtypes.begin(), dtypes.end(), tensor(i).dtype) == dtypes.end()) {
        dtypes.push_back(tensor(i).dtype);
      }
    });
    std::string text;
    for (const Dtype dtype : dtypes) text += fmt::format("{}{}", text.empty() ? "" : " and ", name(dtype));
    return text;
  }

  void zeros() {
    uint64_t tensors = 0, dense = 0, sparse = 0, elements = 0, zero = 0, csr = 0;
    each([&](uint32_t i) {
      const auto worth = worth_sparse(tensor(i), values(i));
      if (!worth || values(i).constant) return;
      ++tensors;
      csr += worth->is_csr() ? 1 : 0;
      dense += tensor(i).bytes();
      sparse += worth->smaller();
      elements += element_count(tensor(i).shape).value();
      zero += values(i).numbers.zeros;
    });
    if (tensors == 0) return;
    const std::string way = csr == 0 ? "a bitmap and the other values" : csr == tensors ? "CSR" : "CSR or a bitmap";
    found_.push_back({"zeros",
                      fmt::format("{} of the values of {} are exactly zero: as {} these would take {} rather than {}",
                                  percent(zero, elements), tensors_text(tensors), way, human(sparse), human(dense)),
                      "worth it only where what loads them can compute with that, or unpacks one layer at a time", "",
                      tensors, dense - sparse});
  }

  void duplicates() {
    uint64_t tensors = 0, bytes = 0;
    std::optional<uint32_t> largest;
    each([&](uint32_t i) {
      if (values(i).duplicate_of == Tensor::kItself) return;
      ++tensors;
      bytes += tensor(i).bytes();
      if (!largest || tensor(i).bytes() > tensor(*largest).bytes()) largest = i;
    });
    if (!largest) return;
    const bool ties = roles_.perhaps_tied && values(roles_.perhaps_tied->head).duplicate_of != Tensor::kItself;
    found_.push_back(
        {"duplicates",
         fmt::format("{} the same bytes as another ({} as {}{}){}", counted(tensors, "tensor holds", "tensors hold"),
                     quoted(tensor(*largest).name), quoted(tensor(values(*largest).duplicate_of).name),
                     tensors > 1 ? ", ..." : "", ties ? ": weights that are tied, stored twice" : ""),
         "store them once: safetensors.torch.save_model does it for tensors that share their memory", "", tensors,
         bytes});
  }

  void constants() {
    uint64_t tensors = 0, bytes = 0;
    std::optional<uint32_t> largest;
    each([&](uint32_t i) {
      if (!values(i).constant) return;
      ++tensors;
      bytes += tensor(i).bytes() - block(tensor(i).dtype).bytes;
      if (!largest || tensor(i).bytes() > tensor(*largest).bytes()) largest = i;
    });
    if (!largest) return;
    found_.push_back({"constant",
                      fmt::format("{} one value throughout ({}{})", counted(tensors, "tensor holds", "tensors hold"),
                                  quoted(tensor(*largest).name), tensors > 1 ? ", ..." : ""),
                      "they were never trained, or can be made anew when the model is built", "", tensors, bytes});
  }

  // Empty where the path cannot be shown as it is.
  std::string command(const char* verb, const std::string& options) const {
    const std::string& path = checkpoint_.path;
    if (path.empty() || reports::printable(path) != path) return "";
    return fmt::format("weighbridge {} {}{}", verb, reports::shell_quoted_path(path), options);
  }

  const Checkpoint& checkpoint_;
  const Roles& roles_;
  const Survey& survey_;
  std::vector<ValueFinding> found_;
};

}  // namespace

std::optional<SparseBytes> worth_sparse(const Tensor& tensor, const TensorValues& values) {
  const auto sparse = sparse_bytes_of(tensor, values);
  return sparse && sparse->smaller() < tensor.bytes() ? sparse : std::nullopt;
}

std::vector<ValueFinding> value_findings(const Checkpoint& checkpoint, const Roles& roles, const Survey& survey) {
  return Findings(checkpoint, roles, survey).all();
}

}  // namespace weighbridge
