// What a path is: one file of a known format, the index of a sharded set, or a folder that holds one of these.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <tuple>
#include <vector>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/reader.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

namespace fs = std::filesystem;

void read_as(const Format& format, const File& file, Checkpoint& checkpoint) {
  checkpoint.format = format.info.name;
  checkpoint.files.push_back({file.path(), file.bytes()});
  format.read(file, checkpoint);
}

void read_file(const std::string& path, Checkpoint& checkpoint) {
  const File file(path);
  // JSON cannot be mistaken for safetensors: as a header length its first eight bytes are beyond the limit.
  const std::string start = file.peek(0, 256);
  const size_t first = start.find_first_not_of(" \t\r\n");
  if (path.ends_with(kIndexSuffix) ||
      (first != std::string::npos && start[first] == '{' && !kSafetensors.recognises(file))) {
    read_shard_index(file, checkpoint);
    return;
  }
  read_as(format_of(file), file, checkpoint);
}

auto place(const Tensor& tensor) {
  return std::tie(tensor.extent.file, tensor.extent.offset, tensor.extent.bytes);
}

constexpr size_t kSharersCompared = 64;  // at one place, so that a hostile table costs no square of its length

// Tensors in the files' order, and those that are the same elements told to be.
void settle(Checkpoint& checkpoint) {
  auto& tensors = checkpoint.tensors;
  if (tensors.size() >= Tensor::kItself) {
    throw Error(ErrorKind::bad_input, fmt::format("{}: found {} tensors, expected fewer than 2^32",
                                                  printable(checkpoint.path), tensors.size()));
  }
  const auto before = [](const Tensor& left, const Tensor& right) { return place(left) < place(right); };
  if (!std::is_sorted(tensors.begin(), tensors.end(), before)) {
    std::stable_sort(tensors.begin(), tensors.end(), before);
  }
  size_t first = 0;  // of those that lie where this one lies
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (place(tensors[first]) != place(tensors[i])) first = i;
    for (size_t j = first; j < std::min(i, first + kSharersCompared) && tensors[i].bytes() > 0; ++j) {
      if (tensors[j].same_as == Tensor::kItself && tensors[j].encoding == tensors[i].encoding &&
          tensors[j].dtype == tensors[i].dtype && tensors[j].shape == tensors[i].shape) {
        tensors[i].same_as = static_cast<uint32_t>(j);
        break;
      }
    }
  }
  uint64_t bytes = 0;
  for (const Tensor& tensor : tensors) {
    if (tensor.same_as == Tensor::kItself && __builtin_add_overflow(bytes, tensor.bytes(), &bytes)) {
      throw Error(ErrorKind::bad_input, fmt::format("{}: found tensors of 2^64 bytes or more together, expected fewer",
                                                    printable(checkpoint.path)));
    }
  }
}

bool is_inside(const fs::path& path, const fs::path& folder) {
  const auto [folder_end, path_end] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return folder_end == folder.end() && path_end != path.end();
}

// REPO/blobs for a folder at or below REPO/snapshots/REVISION, else empty.
fs::path hub_blobs(const fs::path& folder) {
  for (fs::path revision = folder; revision.has_relative_path(); revision = revision.parent_path()) {
    const fs::path snapshots = revision.parent_path();
    if (snapshots.filename() == "snapshots") return snapshots.parent_path() / "blobs";
  }
  return {};
}

}  // namespace

void require_inside(const std::string& folder, const std::string& path) {
  std::error_code failed;
  const fs::path real_folder = fs::canonical(folder, failed);
  if (failed) throw system_error("realpath", folder, failed.value());
  const fs::path real = fs::canonical(path, failed);
  if (failed) throw system_error("realpath", path, failed.value());
  if (is_inside(real, real_folder)) return;
  const fs::path blobs = hub_blobs(real_folder);
  if (!blobs.empty() && is_inside(real, blobs)) return;
  throw Error(
      ErrorKind::bad_input,
      fmt::format("{}: found a link to {}, expected a file inside the checkpoint's folder; to read it all the same, "
                  "name that file itself",
                  printable(path), printable(real.string())));
}

Checkpoint open_as(const Format& format, const std::string& path) {
  Checkpoint checkpoint;
  checkpoint.path = path;
  read_as(format, File(path), checkpoint);
  settle(checkpoint);
  return checkpoint;
}

Checkpoint open_checkpoint(const std::string& path) {
  Checkpoint checkpoint;
  checkpoint.path = path;
  std::error_code ignored;  // what cannot be asked cannot be opened either, and File says why
  if (fs::is_directory(path, ignored)) {
    const FolderEntry entry = entry_of(path);
    const std::string file = (fs::path(path) / entry.name).string();
    require_inside(path, file);
    read_file(file, checkpoint);
    checkpoint.remarks.push_back(
        entry.others.empty() ? Remark{"read", fmt::format("of this folder {} was read", printable(entry.name, 80))}
                             : Remark{"chosen", fmt::format("of this folder {} was read, and not {}",
                                                            printable(entry.name, 80), entry.others)});
  } else {
    read_file(path, checkpoint);
  }
  settle(checkpoint);
  return checkpoint;
}

}  // namespace weighbridge
