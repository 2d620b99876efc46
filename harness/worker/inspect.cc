// The tensor table, printed by the worker itself: however many tensors there are, they never pass through the parent.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "harness/worker/worker.h"
#include "reports/units.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

std::string shape_text(const std::vector<uint64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

uint64_t delivered_bytes(const Checkpoint& checkpoint, Target target) {
  uint64_t bytes = 0;
  for (const Tensor& tensor : checkpoint.tensors) bytes += layout(tensor.dtype, tensor.shape, target).loaded_bytes;
  return bytes;
}

std::map<std::string_view, std::pair<uint64_t, uint64_t>> totals(const Checkpoint& checkpoint) {
  std::map<std::string_view, std::pair<uint64_t, uint64_t>> by_dtype;  // tensors, bytes
  for (const Tensor& tensor : checkpoint.tensors) {
    auto& [tensors, bytes] = by_dtype[name(tensor.dtype)];
    ++tensors;
    bytes += tensor.bytes();
  }
  return by_dtype;
}

void print_json(const Checkpoint& checkpoint) {
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
  fmt::print("}},\n \"tensors\": [");
  separator = "\n";
  for (const Tensor& tensor : checkpoint.tensors) {
    fmt::print("{}  {{\"name\": {}, \"dtype\": \"{}\", \"shape\": {}, \"bytes\": {}, \"file\": {}, \"offset\": {}}}",
               separator, text(tensor.name), name(tensor.dtype), text(tensor.shape), tensor.bytes(),
               text(checkpoint.files[tensor.extent.file].path), tensor.extent.offset);
    separator = ",\n";
  }
  fmt::print("\n ]}}\n");
}

void print_table(const Checkpoint& checkpoint) {
  constexpr size_t kLongestName = 60;
  size_t name_width = 6, shape_width = 5;
  for (const Tensor& tensor : checkpoint.tensors) {
    name_width = std::max(name_width, std::min(kLongestName, printable(tensor.name).size()));
    shape_width = std::max(shape_width, std::min(kLongestName, shape_text(tensor.shape).size()));
  }
  fmt::print("{:<{}}  {:<11}  {:<{}}  {:>10}  {:>14}\n", "TENSOR", name_width, "DTYPE", "SHAPE", shape_width, "SIZE",
             "OFFSET");
  uint32_t file = UINT32_MAX;
  for (const Tensor& tensor : checkpoint.tensors) {
    if (checkpoint.files.size() > 1 && tensor.extent.file != file) {
      file = tensor.extent.file;
      fmt::print("{}:\n", printable(checkpoint.files[file].path));
    }
    fmt::print("{:<{}}  {:<11}  {:<{}}  {:>10}  {:>14}\n", printable(tensor.name), name_width, name(tensor.dtype),
               shape_text(tensor.shape), shape_width, reports::human(tensor.bytes()), tensor.extent.offset);
  }
  fmt::print("\n{} tensors, {} in {} file{} ({})\n", checkpoint.tensors.size(),
             reports::human(checkpoint.stored_bytes()), checkpoint.files.size(),
             checkpoint.files.size() == 1 ? "" : "s", checkpoint.format);
  for (const auto& [dtype, total] : totals(checkpoint)) {
    fmt::print("  {:<11} {:>10}  in {} tensor{}\n", dtype, reports::human(total.second), total.first,
               total.first == 1 ? "" : "s");
  }
  fmt::print("loaded once, the weights alone would need\n");
  for (const TargetInfo& target : targets()) {
    fmt::print("  as {:<8} {:>10}\n", target.name, reports::human(delivered_bytes(checkpoint, target.target)));
  }
}

}  // namespace

void inspect(WorkerContext& context) {
  const Checkpoint checkpoint = open_checkpoint(context.job.model);
  if (context.job.json) {
    print_json(checkpoint);
  } else {
    print_table(checkpoint);
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    throw Error(ErrorKind::environment, "the table could not be written to standard output");
  }
}

}  // namespace weighbridge
