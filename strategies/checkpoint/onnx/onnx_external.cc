#include "strategies/checkpoint/onnx/onnx_external.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "strategies/checkpoint/format.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

namespace fs = std::filesystem;

// What is wrong with a location by its text alone; empty where nothing is.
std::string_view fault(const std::string& location) {
  if (location.empty()) return "which is empty";
  if (location.find('\0') != std::string::npos) return "which holds a NUL byte";
  const fs::path path(location);
  if (path.is_absolute()) return "which is absolute";
  if (std::find(path.begin(), path.end(), "..") != path.end()) return "which leads out of the folder";
  return {};
}

std::string folder_of(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path().string() : std::string(".");
}

}  // namespace

OnnxExternalFiles::OnnxExternalFiles(const File& model, Checkpoint& checkpoint)
    : model_(model), checkpoint_(checkpoint), folder_(folder_of(model.path())) {
  files_.emplace(fs::path(model.path()).filename().string(), static_cast<uint32_t>(checkpoint.files.size() - 1));
}

Extent OnnxExternalFiles::extent(const OnnxTensor& tensor, uint64_t bytes) {
  const OnnxExternalData& data = *tensor.external;
  const uint32_t index = file(tensor);
  const uint64_t file_bytes = checkpoint_.files[index].bytes;
  if (data.length && *data.length != bytes) {
    refuse(tensor, model_, fmt::format("in {} bytes of an external file", *data.length),
           fmt::format("the {} bytes that its dims and type ask for", bytes));
  }
  if (data.offset > file_bytes || bytes > file_bytes - data.offset) {
    refuse(tensor, model_,
           fmt::format("of {} bytes at byte {} of the external file {}", bytes, data.offset, in_quotes(data.location)),
           fmt::format("an end within the {} bytes that the file holds", file_bytes));
  }
  return {index, data.offset, bytes};
}

uint32_t OnnxExternalFiles::file(const OnnxTensor& tensor) {
  const std::string& location = tensor.external->location;
  if (const std::string_view wrong = fault(location); !wrong.empty()) {
    refuse(tensor, model_, fmt::format("in the external file {}, {}", in_quotes(location), wrong),
           "a relative path that stays in the model's folder");
  }
  const fs::path normal = fs::path(location).lexically_normal();
  if (const auto known = files_.find(normal.string()); known != files_.end()) return known->second;

  const std::string path = (fs::path(folder_) / normal).string();
  const auto index = static_cast<uint32_t>(checkpoint_.files.size());
  try {
    require_inside(folder_, path);
    checkpoint_.files.push_back({path, File(path).bytes()});
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::bad_input) throw;
    refuse(tensor, model_, fmt::format("in the external file {} ({})", in_quotes(location), error.what()),
           "a file in the model's folder");
  }
  files_.emplace(normal.string(), index);
  heap_bytes_ += sizeof(CheckpointFile) * 2 + 4 * path.size();
  return index;
}

}  // namespace weighbridge
