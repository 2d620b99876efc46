// The tensor table, printed by the worker itself: however many tensors there are, they never pass through the parent.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "harness/worker/worker.h"
#include "reports/units.h"
#include "strategies/checkpoint/digest.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

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

void print_json(const Checkpoint& checkpoint, Digests* digests) {
  const auto text = [](const auto& value) {
    return nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
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
  fmt::print("}},\n \"remarks\": [");
  separator = "\n";
  for (const Remark& remark : checkpoint.remarks) {
    fmt::print("{}  {{\"id\": {}, \"text\": {}, \"bytes\": {}}}", separator, text(remark.id), text(remark.text),
               remark.bytes);
    separator = ",\n";
  }
  fmt::print("],\n \"tensors\": [");
  separator = "\n";
  for (uint32_t index = 0; index < checkpoint.tensors.size(); ++index) {
    const Tensor& tensor = checkpoint.tensors[index];
    fmt::print("{}  {{\"name\": {}, \"dtype\": \"{}\", \"shape\": {}, \"bytes\": {}, \"file\": {}, \"offset\": {}",
               separator, text(tensor.name), name(tensor.dtype), text(tensor.shape), tensor.bytes(),
               text(checkpoint.files[tensor.extent.file].path),
               tensor.plain() ? fmt::format("{}", tensor.extent.offset) : "null");
    if (!tensor.plain()) fmt::print(", \"encoding\": {}", text(tensor.encoding->reason()));
    if (tensor.same_as != Tensor::kItself) {
      fmt::print(", \"same_as\": {}", text(checkpoint.tensors[tensor.same_as].name));
    }
    if (digests != nullptr) fmt::print(", \"sha256\": \"{}\"", digests->of(index));
    fmt::print("}}");
    separator = ",\n";
  }
  fmt::print("\n ]}}\n");
}

void print_table(const Checkpoint& checkpoint, Digests* digests) {
  constexpr size_t kLongestName = 60;
  uint64_t shared = 0;
  size_t name_width = 6, shape_width = 5;
  for (const Tensor& tensor : checkpoint.tensors) {
    name_width = std::max(name_width, std::min(kLongestName, printable(tensor.name).size()));
    shape_width = std::max(shape_width, std::min(kLongestName, shape_text(tensor.shape).size()));
  }
  fmt::print("{:<{}}  {:<11}  {:<{}}  {:>10}  {:>14}{}\n", "TENSOR", name_width, "DTYPE", "SHAPE", shape_width, "SIZE",
             "OFFSET", digests != nullptr ? "  SHA-256 OF THE ELEMENTS" : "");
  uint32_t file = UINT32_MAX;
  std::map<std::string, std::pair<uint64_t, uint64_t>> encoded;  // reason -> tensors, bytes
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
    if (!tensor.plain()) {
      auto& [tensors, bytes] = encoded[tensor.encoding->reason()];
      ++tensors;
      if (tensor.same_as == Tensor::kItself) bytes += tensor.bytes();
    }
    if (tensor.same_as != Tensor::kItself) ++shared;
  }
  fmt::print("\n{}, {} in {} file{} ({})\n", reports::counted(checkpoint.tensors.size(), "tensor", "tensors"),
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
  for (const Remark& remark : checkpoint.remarks) fmt::print("{}\n", printable(remark.text, 400));
  fmt::print("loaded once, all of it would need\n");
  for (const TargetInfo& target : targets()) {
    fmt::print("  as {:<8} {:>10}\n", target.name, reports::human(delivered_bytes(checkpoint, target.target)));
  }
}

}  // namespace

void inspect(WorkerContext& context) {
  const Checkpoint checkpoint = open_checkpoint(context.job.model);
  std::optional<Digests> digests;
  if (context.job.sha256) digests.emplace(checkpoint, *context.page);
  Digests* const wanted = digests ? &*digests : nullptr;
  if (context.job.json) {
    print_json(checkpoint, wanted);
  } else {
    print_table(checkpoint, wanted);
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    throw Error(ErrorKind::environment, "the table could not be written to standard output");
  }
}

}  // namespace weighbridge
