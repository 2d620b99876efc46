// What a checkpoint is, and what each cell will need: totals and predictions, a few KiB however large the header.
#include <sys/mman.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "harness/worker/architecture_remarks.h"
#include "harness/worker/worker.h"
#include "strategies/error.h"
#include "strategies/predictor.h"
#include "strategies/strategy.h"

namespace weighbridge {
namespace {

// How far the kernel's counters lag on this machine, found by trial: pages are touched one at a time and RssAnon is
// read after each. Kernels that sum their per-CPU counters on a read (and those before 6.2 within a thread's 64 cached
// events) show themselves here; bytes of the largest difference seen, nullopt where the test could not be made.
std::optional<uint64_t> measured_counter_lag() {
  constexpr size_t kTouched = 512;
  void* pages = mmap(nullptr, kTouched * kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return std::nullopt;
  madvise(pages, kTouched * kPageBytes, MADV_NOHUGEPAGE);
  const StatusFile status(0);
  const auto before = status.read();
  std::optional<uint64_t> lag;
  for (size_t page = 0; before && page < kTouched; ++page) {
    static_cast<volatile char*>(pages)[page * kPageBytes] = 1;
    const auto now = status.read();
    if (!now) {
      lag.reset();
      break;
    }
    const uint64_t truth = before->anon + (page + 1) * kPageBytes;
    lag = std::max(lag.value_or(0), truth > now->anon ? truth - now->anon : now->anon - truth);
  }
  munmap(pages, kTouched * kPageBytes);
  return lag;
}

}  // namespace

void describe(WorkerContext& context) {
  const Checkpoint checkpoint = open_checkpoint(context.job.model);
  nlohmann::json json = {{"path", checkpoint.path},
                         {"format", checkpoint.format},
                         {"bytes", checkpoint.stored_bytes()},
                         {"file_bytes", checkpoint.file_bytes()},
                         {"tensors", checkpoint.tensors.size()},
                         {"allocator", context.allocator.version()},
                         {"counter_lag_bytes", nullptr}};
  if (const auto lag = measured_counter_lag()) json["counter_lag_bytes"] = *lag;
  json["files"] = nlohmann::json::array();
  for (const CheckpointFile& file : checkpoint.files)
    json["files"].push_back({{"path", file.path}, {"bytes", file.bytes}});
  std::map<std::string, uint64_t> dtypes, encodings;
  uint64_t parameters = 0, largest = 0;
  for (const Tensor& tensor : checkpoint.tensors) {
    largest = std::max(largest, tensor.bytes());
    if (tensor.same_as != Tensor::kItself) continue;
    dtypes[std::string(name(tensor.dtype))] += tensor.bytes();
    if (!tensor.plain()) encodings[tensor.encoding->reason()] += tensor.bytes();
    parameters += element_count(tensor.shape).value_or(0);
  }
  json["dtypes"] = dtypes;
  json["encodings"] = encodings;
  json["remarks"] = nlohmann::json::array();
  for (const Remark& remark : all_remarks(checkpoint, find_roles(checkpoint)))
    json["remarks"].push_back({{"id", remark.id}, {"text", remark.text}, {"bytes", remark.bytes}});
  json["parameters"] = parameters;
  json["largest_tensor_bytes"] = largest;

  json["cells"] = nlohmann::json::array();
  for (const JobCell& cell : context.job.cells) {
    const Choice choice = parse_choice(cell.strategy);
    const auto target = parse_target(cell.dtype);
    if (!target) throw Error(ErrorKind::usage, "no dtype named " + printable(cell.dtype));
    const Request request(checkpoint, *target, context.job.passes, choice.options);
    const auto same_as_native = std::none_of(request.layouts.begin(), request.layouts.end(),
                                             [](const Layout& layout) { return layout.converted(); });
    std::map<std::string, std::string> given;  // what differs from the defaults
    for (const OptionInfo& option : choice.strategy->options()) {
      const std::string& value = choice.options.find(option.name)->second;
      if (value != option.fallback) given.emplace(option.name, value);
    }
    nlohmann::json described = {{"strategy", choice.strategy->name()},
                                {"options", given},
                                {"same_as_native", same_as_native},
                                {"predicted", nullptr},
                                {"fallen_back", std::map<std::string, uint64_t>()}};
    if (const auto prediction = predict(*choice.strategy, request)) {
      described["predicted"] = {{"need", prediction->need},
                                {"weights", prediction->weights},
                                {"staging", prediction->staging},
                                {"overhead", prediction->overhead},
                                {"reclaimable", prediction->reclaimable}};
      described["fallen_back"] = prediction->fallen_back;
    }
    json["cells"].push_back(described);
  }
  reply(json);
}

}  // namespace weighbridge
