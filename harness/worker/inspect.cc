// What a checkpoint holds, printed by the worker itself: by role and layer, what its values say where they were asked
// for, and the tensor table. However many tensors there are, they never pass through the parent.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "harness/worker/architecture_remarks.h"
#include "harness/worker/inspect.h"
#include "harness/worker/worker.h"
#include "reports/paragraph.h"
#include "reports/record.h"
#include "reports/units.h"
#include "strategies/checkpoint/digest.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr size_t kMostListed = 100;  // tensors that are listed without being asked for

// All that is known of a checkpoint when it is printed.
struct Known {
  const Checkpoint& checkpoint;
  Roles roles;
  Layers layers;
  std::vector<LayerKind> kinds;
  std::vector<Remark> remarks;
  std::optional<Survey> survey;

  explicit Known(const Checkpoint& opened)
      : checkpoint(opened),
        roles(find_roles(opened)),
        layers(opened),
        kinds(fold_layers(opened, layers)),
        remarks(all_remarks(opened, roles)) {}
};

std::string shape_text(const std::vector<uint64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

// Of weights loaded once: tensors that share their elements count once.
uint64_t delivered_bytes(const Checkpoint& checkpoint, Target target) {
  uint64_t bytes = 0;
  for (const Tensor& tensor : checkpoint.tensors) {
    if (tensor.same_as == Tensor::kItself) bytes += layout(tensor.dtype, tensor.shape, target).loaded_bytes;
  }
  return bytes;
}

// Digests in the table's order, each made when its row is printed.
class Digests {
 public:
  Digests(const Checkpoint& checkpoint, SharedPage& page) : checkpoint_(checkpoint), page_(page), reader_(checkpoint) {
    uint64_t bytes = 0;
    for (const Tensor& tensor : checkpoint.tensors) bytes += tensor.bytes();
    page.bytes_used = 0;
    page.bytes_to_use = bytes;
    verify_checksums(checkpoint);
  }

  std::string of(uint32_t tensor) {
    std::string digest = sha256_of(checkpoint_, reader_, tensor);
    page_.bytes_used.fetch_add(checkpoint_.tensors[tensor].bytes(), std::memory_order_relaxed);
    return digest;
  }

 private:
  const Checkpoint& checkpoint_;
  SharedPage& page_;
  TensorReader reader_;
};

std::map<std::string_view, std::pair<uint64_t, uint64_t>> totals(const Checkpoint& checkpoint) {
  std::map<std::string_view, std::pair<uint64_t, uint64_t>> by_dtype;  // tensors, bytes
  for (const Tensor& tensor : checkpoint.tensors) {
    auto& [tensors, bytes] = by_dtype[name(tensor.dtype)];
    ++tensors;
    if (tensor.same_as == Tensor::kItself) bytes += tensor.bytes();
  }
  return by_dtype;
}

void print_json(const Known& known, Digests* digests) {
  const Checkpoint& checkpoint = known.checkpoint;
  const auto& text = json_text;
  fmt::print("{{\"format\": {}, \"path\": {}, \"bytes\": {}, \"file_bytes\": {},\n \"dtypes\": {{",
             text(checkpoint.format), text(checkpoint.path), checkpoint.stored_bytes(), checkpoint.file_bytes());
  const char* separator = "";
  for (const auto& [dtype, total] : totals(checkpoint)) {
    fmt::print("{}\"{}\": {{\"tensors\": {}, \"bytes\": {}}}", separator, dtype, total.first, total.second);
    separator = ", ";
  }
  fmt::print("}},\n \"needs\": {{");
  separator = "";
  for (const TargetInfo& target : targets()) {
    fmt::print("{}\"{}\": {}", separator, target.name, delivered_bytes(checkpoint, target.target));
    separator = ", ";
  }
  fmt::print("}},\n");
  print_architecture_json(known.roles, known.kinds);
  if (known.survey) print_values_json(checkpoint, known.roles, *known.survey);
  fmt::print(" \"remarks\": [");
  separator = "\n";
  for (const Remark& remark : known.remarks) {
    fmt::print("{}  {{\"id\": {}, \"text\": {}, \"bytes\": {}}}", separator, text(remark.id), text(remark.text),
               remark.bytes);
    separator = ",\n";
  }
  fmt::print("],\n \"tensors\": [");
  separator = "\n";
  for (uint32_t index = 0; index < checkpoint.tensors.size(); ++index) {
    const Tensor& tensor = checkpoint.tensors[index];
    fmt::print("{}  {{\"name\": {}, \"dtype\": \"{}\", \"shape\": {}, \"bytes\": {}, \"file\": {}, \"offset\": {}",
               separator, text(tensor.name), name(tensor.dtype), nlohmann::json(tensor.shape).dump(), tensor.bytes(),
               text(checkpoint.files[tensor.extent.file].path),
               tensor.plain() ? fmt::format("{}", tensor.extent.offset) : "null");
    if (!tensor.plain()) fmt::print(", \"encoding\": {}", text(tensor.encoding->reason()));
    if (tensor.same_as != Tensor::kItself) {
      fmt::print(", \"same_as\": {}", text(checkpoint.tensors[tensor.same_as].name));
    }
    const RoleRow& row = known.roles.of(index);
    fmt::print(", \"role\": \"{}\", \"part\": {}, \"layer\": {}", name(row.role),
               row.part.empty() ? "null" : fmt::format("\"{}\"", row.part),
               text(known.layers.names()[known.layers.layer_of(index)]));
    if (known.survey) print_values_json(checkpoint, *known.survey, index);
    if (digests != nullptr) fmt::print(", \"sha256\": \"{}\"", digests->of(index));
    fmt::print("}}");
    separator = ",\n";
  }
  fmt::print("\n ]}}\n");
}

void print_tensors(const Checkpoint& checkpoint, Digests* digests) {
  constexpr size_t kLongestName = 60;
  size_t name_width = 6, shape_width = 5;
  for (const Tensor& tensor : checkpoint.tensors) {
    name_width = std::max(name_width, std::min(kLongestName, printable(tensor.name).size()));
    shape_width = std::max(shape_width, std::min(kLongestName, shape_text(tensor.shape).size()));
  }
  fmt::print("{:<{}}  {:<11}  {:<{}}  {:>10}  {:>14}{}\n", "TENSOR", name_width, "DTYPE", "SHAPE", shape_width, "SIZE",
             "OFFSET", digests != nullptr ? "  SHA-256 OF THE ELEMENTS" : "");
  uint32_t file = UINT32_MAX;
  for (uint32_t index = 0; index < checkpoint.tensors.size(); ++index) {
    const Tensor& tensor = checkpoint.tensors[index];
    if (checkpoint.files.size() > 1 && tensor.extent.file != file) {
      file = tensor.extent.file;
      fmt::print("{}:\n", printable(checkpoint.files[file].path));
    }
    fmt::print("{:<{}}  {:<11}  {:<{}}  {:>10}  {:>14}{}\n", printable(tensor.name), name_width, name(tensor.dtype),
               shape_text(tensor.shape), shape_width, reports::human(tensor.bytes()),
               tensor.plain() ? fmt::format("{}", tensor.extent.offset) : "encoded",
               digests != nullptr ? "  " + digests->of(index) : "");
  }
  fmt::print("\n");
}

void print_totals(const Known& known, unsigned columns) {
  const Checkpoint& checkpoint = known.checkpoint;
  uint64_t shared = 0;
  std::map<std::string, std::pair<uint64_t, uint64_t>> encoded;  // reason -> tensors, bytes
  for (const Tensor& tensor : checkpoint.tensors) {
    if (!tensor.plain()) {
      auto& [tensors, bytes] = encoded[tensor.encoding->reason()];
      ++tensors;
      if (tensor.same_as == Tensor::kItself) bytes += tensor.bytes();
    }
    if (tensor.same_as != Tensor::kItself) ++shared;
  }
  fmt::print("{}, {} in {} file{} ({})\n", reports::counted(checkpoint.tensors.size(), "tensor", "tensors"),
             reports::human(checkpoint.stored_bytes()), checkpoint.files.size(),
             checkpoint.files.size() == 1 ? "" : "s", checkpoint.format);
  for (const auto& [dtype, total] : totals(checkpoint)) {
    fmt::print("  {:<11} {:>10}  in {} tensor{}\n", dtype, reports::human(total.second), total.first,
               total.first == 1 ? "" : "s");
  }
  if (shared > 0) {
    fmt::print("{} with another tensor and count{} once\n",
               reports::counted(shared, "tensor shares its elements", "tensors share their elements"),
               shared == 1 ? "s" : "");
  }
  for (const auto& [reason, total] : encoded) {
    fmt::print("{} ({}) cannot be mapped: {}\n", reports::counted(total.first, "tensor", "tensors"),
               reports::human(total.second), printable(reason));
  }
  for (const Remark& remark : known.remarks) {
    fmt::print("{}", reports::paragraph(printable(remark.text, 400) + ".", columns, " - ", "   "));
  }
  fmt::print("loaded once, all of it would need\n");
  for (const TargetInfo& target : targets()) {
    fmt::print("  as {:<8} {:>10}\n", target.name, reports::human(delivered_bytes(checkpoint, target.target)));
  }
}

void print_text(const Known& known, const Job& job, Digests* digests) {
  const Checkpoint& checkpoint = known.checkpoint;
  if (known.survey) print_verdict(checkpoint, known.roles, *known.survey, job.columns);
  print_architecture(known.roles, known.kinds, job.columns);
  fmt::print("\n");
  if (known.survey) {
    print_values(checkpoint, *known.survey, job.tensors, job.columns);
    fmt::print("\n");
  }
  const bool asked = job.tensors || digests != nullptr;
  if (asked || (!known.survey && checkpoint.tensors.size() <= kMostListed)) print_tensors(checkpoint, digests);
  print_totals(known, job.columns);
  if (!asked && checkpoint.tensors.size() > kMostListed) fmt::print("--tensors lists every tensor\n");
}

}  // namespace

void inspect(WorkerContext& context) {
  const Job& job = context.job;
  const Checkpoint checkpoint = open_checkpoint(job.model);
  Known known(checkpoint);
  if (job.values) {
    known.survey = survey_values(checkpoint, [&](uint64_t done, uint64_t total) {
      context.page->bytes_to_use.store(total, std::memory_order_relaxed);
      context.page->bytes_used.store(done, std::memory_order_relaxed);
    });
    std::erase_if(known.remarks, [](const Remark& remark) { return remark.id == reports::kPerhapsTied; });  // now known
    handshake(Message::Kind::ready, Phase::use);
  }
  std::optional<Digests> digests;
  if (job.sha256) digests.emplace(checkpoint, *context.page);
  Digests* const wanted = digests ? &*digests : nullptr;
  if (job.json) {
    print_json(known, wanted);
  } else {
    print_text(known, job, wanted);
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    throw Error(ErrorKind::environment, "the table could not be written to standard output");
  }
}

}  // namespace weighbridge
