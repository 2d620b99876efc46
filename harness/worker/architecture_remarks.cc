#include "harness/worker/architecture_remarks.h"

#include <fmt/format.h>

#include <algorithm>

#include "reports/record.h"
#include "reports/units.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

using reports::counted;
using reports::human;

std::string percent(uint64_t bytes, uint64_t of) {
  return fmt::format("{:.0f} %", of == 0 ? 0 : 100 * static_cast<double>(bytes) / static_cast<double>(of));
}

Remark tied(const Checkpoint& checkpoint, const Roles& roles) {
  const auto largest = std::max_element(
      checkpoint.tensors.begin(), checkpoint.tensors.end(), [](const Tensor& left, const Tensor& right) {
        const auto shared = [](const Tensor& one) { return one.same_as == Tensor::kItself ? 0 : one.bytes(); };
        return shared(left) < shared(right);
      });
  const uint64_t tensors = roles.tied.tensors;
  return {reports::kTied,
          fmt::format("{} another's elements ({} those of {}{}): {} that are stored once, and loaded once here",
                      counted(tensors, "tensor shares", "tensors share"), in_quotes(largest->name),
                      in_quotes(checkpoint.tensors[largest->same_as].name), tensors > 1 ? " and so on" : "",
                      human(roles.tied.bytes)),
          roles.tied.bytes};
}

Remark perhaps_tied(const Checkpoint& checkpoint, const Roles& roles, const PerhapsTied& pair) {
  return {
      reports::kPerhapsTied,
      fmt::format("{} and {} have one shape and dtype and are stored apart, {} each, together {} of all bytes: many "
                  "models tie them; inspect --values says whether they are the same",
                  in_quotes(checkpoint.tensors[pair.embedding].name), in_quotes(checkpoint.tensors[pair.head].name),
                  human(pair.bytes), percent(2 * pair.bytes, roles.all.bytes)),
      pair.bytes};
}

}  // namespace

std::vector<Remark> all_remarks(const Checkpoint& checkpoint, const Roles& roles) {
  std::vector<Remark> remarks = checkpoint.remarks;
  const Holding optimizer = roles.of(Role::optimizer_state), averaged = roles.of(Role::averaged),
                experts = roles.of(Role::experts);
  const bool known = std::any_of(remarks.begin(), remarks.end(),
                                 [](const Remark& remark) { return remark.id == reports::kOptimizerState; });
  if (optimizer.bytes > 0 && !known) {
    remarks.push_back(
        {reports::kOptimizerState,
         fmt::format("{}, {}, {} of all bytes, {} an optimizer's state by name: training needs it, inference does not",
                     counted(optimizer.tensors, "tensor", "tensors"), human(optimizer.bytes),
                     percent(optimizer.bytes, roles.all.bytes), optimizer.tensors == 1 ? "is" : "are"),
         optimizer.bytes});
  }
  if (averaged.bytes > 0) {
    remarks.push_back({reports::kAveraged,
                       fmt::format("{}, {}, {} an averaged copy of the weights (EMA) by name: inference needs one of "
                                   "the two",
                                   counted(averaged.tensors, "tensor", "tensors"), human(averaged.bytes),
                                   averaged.tensors == 1 ? "is" : "are"),
                       averaged.bytes});
  }
  if (roles.tied.bytes > 0) remarks.push_back(tied(checkpoint, roles));
  if (roles.perhaps_tied) remarks.push_back(perhaps_tied(checkpoint, roles, *roles.perhaps_tied));
  if (experts.bytes > 0) {
    remarks.push_back(
        {reports::kExperts,
         fmt::format("a mixture of experts: they hold {}, {} of all bytes; all are loaded, and each token "
                     "uses a few of them",
                     human(experts.bytes), percent(experts.bytes, roles.all.bytes)),
         experts.bytes});
  }
  return remarks;
}

}  // namespace weighbridge
