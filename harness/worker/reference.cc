// Makes the reference once per run: hashes for the trials to compare with, accuracy for the record.
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "harness/worker/protocol.h"
#include "harness/worker/worker.h"
#include "strategies/error.h"
#include "strategies/reference.h"

namespace weighbridge {
namespace {

nlohmann::json accuracy_json(const Reference& reference) {
  if (reference.accuracy.elements == 0) return nullptr;
  const Accuracy& all = reference.accuracy;
  nlohmann::json json = {{"elements", all.elements},
                         {"overflowed", all.overflowed},
                         {"flushed", all.flushed},
                         {"clipped", all.clipped},
                         {"nan_lost", all.nan_lost},
                         {"max_abs_error", all.max_abs_error},
                         {"rmse", all.rmse()},
                         {"sqnr_db", nullptr},
                         {"worst_tensor", printable(reference.worst_tensor)},  // a name may be 99 MB long
                         {"worst_sqnr_db", nullptr}};
  if (const auto sqnr = all.sqnr_db()) json["sqnr_db"] = *sqnr;
  if (!reference.worst_tensor.empty()) json["worst_sqnr_db"] = *reference.worst.sqnr_db();
  return json;
}

}  // namespace

void reference(WorkerContext& context) {
  const Checkpoint checkpoint = open_checkpoint(context.job.model);
  std::vector<Target> wanted;
  for (const std::string& text : context.job.targets) {
    const auto target = parse_target(text);
    if (!target) throw Error(ErrorKind::usage, "no dtype named " + printable(text));
    wanted.push_back(*target);
  }
  const size_t tensors = checkpoint.tensors.size();
  uint64_t to_read = 0;
  for (const Tensor& tensor : checkpoint.tensors) to_read += tensor.bytes();
  context.page->bytes_to_use = to_read;
  const auto references = make_reference(
      checkpoint, wanted,
      [&](size_t target, uint32_t tensor, uint64_t hash) {
        const auto offset = static_cast<off_t>((target * tensors + tensor) * sizeof(hash));
        if (pwrite(kReferenceDescriptor, &hash, sizeof(hash), offset) != sizeof(hash)) {
          throw system_error("pwrite", "the reference hashes", errno);
        }
      },
      [&](uint64_t bytes) { context.page->bytes_used.fetch_add(bytes, std::memory_order_relaxed); });
  auto json = nlohmann::json::array();
  for (const Reference& made : references) {
    json.push_back({{"checksum", made.checksum}, {"accuracy", accuracy_json(made)}, {"kept_native", made.kept_native}});
  }
  reply(json);
}

}  // namespace weighbridge
