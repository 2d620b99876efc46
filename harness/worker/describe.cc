// What a checkpoint is, and what each cell will need: totals and predictions, a few KiB however large the header.
#include <sys/mman.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/probe/status.h"
#include "harness/worker/architecture_remarks.h"
#include "harness/worker/worker.h"
#include "strategies/error.h"
#include "strategies/layers.h"
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

// The heaviest part of the model that a loader which goes layer by layer holds at a time.
nlohmann::json largest_layer(const Checkpoint& checkpoint) {
  const Layers layers(checkpoint);
  const std::vector<uint64_t> bytes = layers.stored_bytes();
  const auto most = std::max_element(bytes.begin(), bytes.end());
  if (most == bytes.end()) return nullptr;
  return {{"name", printable(layers.names()[static_cast<size_t>(most - bytes.begin())], 80)}, {"bytes", *most}};
}

nlohmann::json describe_cell(const Choice& choice, const Request& request) {
  std::map<std::string, std::string> given;  // what differs from the defaults
  for (const OptionInfo& option : choice.strategy->options()) {
    const std::string& value = choice.options.find(option.name)->second;
    if (value != option.fallback) given.emplace(option.name, value);
  }
  const bool same_as_native = std::none_of(request.layouts.begin(), request.layouts.end(),
                                           [](const Layout& layout) { return layout.converted(); });
  nlohmann::json described = {{"strategy", choice.strategy->name()},
                              {"options", given},
                              {"same_as_native", same_as_native},
                              {"predicted", nullptr},
                              {"fallen_back", std::map<std::string, uint64_t>()}};
  if (const auto prediction = predict(*choice.strategy, request)) {
    described["predicted"] = {{"need", prediction->need},
                              {"least_need", prediction->least_need},
                              {"weights", prediction->weights},
                              {"staging", prediction->staging},
                              {"overhead", prediction->overhead},
                              {"reclaimable", prediction->reclaimable},
                              {"page_tables", prediction->page_tables},
                              {"disk", prediction->disk},
                              {"most_weights", prediction->most_weights}};
    described["fallen_back"] = prediction->fallen_back;
  }
  return described;
}

// One answer a cell, in the order of the job. Tensors are laid out once for each target, as that costs as much as
// counting a plan. 13 strategies in 5 dtypes over 100,000 tensors: 0.3 s of CPU time, opening the checkpoint included.
nlohmann::json describe_cells(const Checkpoint& checkpoint, const Job& job) {
  std::vector<std::pair<Choice, Target>> cells;
  for (const JobCell& cell : job.cells) {
    const auto target = parse_target(cell.dtype);
    Choice choice = parse_choice(cell.strategy);
    if (!target) throw Error(ErrorKind::usage, "no dtype named " + printable(cell.dtype));
    cells.emplace_back(std::move(choice), *target);
  }
  nlohmann::json answers = nlohmann::json::array();
  answers.get_ref<nlohmann::json::array_t&>().resize(cells.size());
  for (const TargetInfo& info : targets()) {
    std::optional<std::vector<Layout>> layouts;
    for (size_t index = 0; index < cells.size(); ++index) {
      const auto& [choice, target] = cells[index];
      if (target != info.target) continue;
      Request request = layouts ? Request(checkpoint, target, job.passes, choice.options, std::move(*layouts))
                                : Request(checkpoint, target, job.passes, choice.options);
      answers[index] = describe_cell(choice, request);
      layouts = std::move(request.layouts);
    }
  }
  return answers;
}

}  // namespace

void describe(WorkerContext& context) {
  // The worker has loaded nothing yet: this is the floor that a trial of it will start from.
  const std::optional<Status> floor = StatusFile(0).read();
  const Checkpoint checkpoint = open_checkpoint(context.job.model);
  nlohmann::json json = {{"path", checkpoint.path},
                         {"format", checkpoint.format},
                         {"bytes", checkpoint.stored_bytes()},
                         {"file_bytes", checkpoint.file_bytes()},
                         {"tensors", checkpoint.tensors.size()},
                         {"allocator", context.allocator.version()},
                         {"counter_lag_bytes", nullptr},
                         {"floor", nullptr},
                         {"largest_layer", largest_layer(checkpoint)}};
  if (floor) json["floor"] = {{"need", floor->need()}, {"page_tables", floor->page_tables}};
  if (const auto lag = measured_counter_lag()) json["counter_lag_bytes"] = *lag;
  json["files"] = nlohmann::json::array();
  for (const CheckpointFile& file : checkpoint.files)
    json["files"].push_back({{"path", file.path}, {"bytes", file.bytes}});
  std::map<std::string, uint64_t> dtypes, encodings;
  uint64_t parameters = 0, largest = 0, tied = 0;
  for (const Tensor& tensor : checkpoint.tensors) {
    largest = std::max(largest, tensor.bytes());
    if (tensor.same_as != Tensor::kItself) {
      tied += tensor.bytes();
      continue;
    }
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
  for (const PluginInfo& plugin : context.job.plugins) add_declared(plugin);
  json["tied_bytes"] = tied;
  json["cells"] = describe_cells(checkpoint, context.job);
  reply(json);
}

}  // namespace weighbridge
