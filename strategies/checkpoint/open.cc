// What a path is: one file of a known format, the index of a sharded set, or a folder that holds one of these.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/reader.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

namespace fs = std::filesystem;

// The registry. A new format is one line here.
constexpr std::array<const Format*, 1> kFormats{&kSafetensors};

constexpr std::string_view kIndexSuffix = ".safetensors.index.json";

// What people have in their folders and this program does not read yet: by the first bytes and by the name's end. A
// format that moves into the registry leaves this list.
struct Foreign {
  std::string_view magic;
  std::string_view name;
};
constexpr std::array<Foreign, 8> kForeignContent{{
    {"GGUF", "a GGUF file"},
    {std::string_view("PK\x03\x04", 4), "a zip archive (PyTorch, NumPy or Keras)"},
    {std::string_view("\x80\x02", 2), "a pickle (PyTorch)"},
    {std::string_view("\x93NUMPY", 6), "a NumPy array"},
    {std::string_view("\x89HDF\r\n\x1a\n", 8), "an HDF5 file"},
    {"version https://git-lfs", "a Git LFS pointer, not the file itself: run `git lfs pull`"},
    {"<!DOCTYPE html", "an HTML page, not the file itself: download it again"},
    {"<html", "an HTML page, not the file itself: download it again"},
}};
constexpr std::array<std::string_view, 12> kForeignSuffixes{".gguf", ".bin",  ".pt",    ".pth", ".ckpt", ".onnx",
                                                            ".h5",   ".hdf5", ".keras", ".npz", ".npy",  ".index.json"};

std::string known_formats() {
  std::string names;
  for (const Format* format : kFormats) names += fmt::format("{}{}", names.empty() ? "" : ", ", format->info.name);
  return names;
}

const Format& format_of(const File& file) {
  for (const Format* format : kFormats) {
    if (format->recognises(file)) return *format;
  }
  const std::string start = file.peek(0, 32);
  for (const Foreign& foreign : kForeignContent) {
    if (start.starts_with(foreign.magic)) throw format_error(file.path(), 0, foreign.name, known_formats());
  }
  for (const Format* format : kFormats) {
    if (file.path().ends_with(format->suffix)) return *format;
  }
  throw format_error(file.path(), 0,
                     file.bytes() == 0
                         ? "an empty file"
                         : fmt::format("content that no known format begins with ({} bytes)", file.bytes()),
                     fmt::format("a checkpoint ({}), its index, or its folder", known_formats()));
}

void read_file(const std::string& path, Checkpoint& checkpoint) {
  const File file(path);
  // JSON cannot be mistaken for safetensors: as a header length its first eight bytes are beyond the limit.
  const std::string start = file.peek(0, 256);
  const size_t first = start.find_first_not_of(" \t\r\n");
  if (path.ends_with(kIndexSuffix) ||
      (first != std::string::npos && start[first] == '{' && !kSafetensors.recognises(file))) {
    checkpoint.format = kSafetensors.info.name;
    read_safetensors_index(file, checkpoint);
    return;
  }
  const Format& format = format_of(file);
  checkpoint.format = format.info.name;
  checkpoint.files.push_back({path, file.bytes()});
  format.read(file, checkpoint);
}

// The names in a folder that matter, sorted; the rest of it may be of any size.
struct Listing {
  std::set<std::string> files, indices, foreign;
};

Listing list(const std::string& folder) {
  Listing listing;
  std::error_code failed;
  fs::directory_iterator entries(folder, failed);
  for (; !failed && entries != fs::directory_iterator(); entries.increment(failed)) {
    std::string name = entries->path().filename().string();
    if (name.starts_with('.')) continue;  // what editors and file managers leave behind
    const auto ends = [&](std::string_view suffix) { return name.ends_with(suffix); };
    if (ends(kIndexSuffix)) {
      listing.indices.insert(std::move(name));
    } else if (std::any_of(kFormats.begin(), kFormats.end(),
                           [&](const Format* format) { return ends(format->suffix); })) {
      listing.files.insert(std::move(name));
    } else if (std::any_of(kForeignSuffixes.begin(), kForeignSuffixes.end(), ends)) {
      listing.foreign.insert(std::move(name));
    }
  }
  if (failed) throw system_error("readdir", folder, failed.value());
  return listing;
}

std::string shown(const std::set<std::string>& names) {
  std::string text;
  size_t count = 0;
  for (const std::string& name : names) {
    if (count++ == 3) return fmt::format("{} and {} more", text, names.size() - 3);
    text += fmt::format("{}{}", text.empty() ? "" : ", ", printable(name, 80));
  }
  return text;
}

std::string entry_of(const std::string& folder) {
  const Listing found = list(folder);
  if (found.files.contains("model.safetensors")) return "model.safetensors";
  if (found.indices.contains("model.safetensors.index.json")) return "model.safetensors.index.json";
  if (found.files.size() == 1) return *found.files.begin();
  if (found.indices.size() == 1)
    return *found.indices.begin();  // diffusers: diffusion_pytorch_model.safetensors.index.json
  if (!found.files.empty()) {
    throw Error(
        ErrorKind::bad_input,
        fmt::format(
            "{}: found {} checkpoints and no index that joins them ({}), expected one; name the file to be read",
            printable(folder), found.files.size(), shown(found.files)));
  }
  std::string message = fmt::format(
      "{}: found no checkpoint, expected model.safetensors, model.safetensors.index.json or a single *.safetensors",
      printable(folder));
  if (!found.foreign.empty())
    message += fmt::format("; {} is there, in a format that is not read yet", shown(found.foreign));
  throw Error(ErrorKind::bad_input, message);
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

std::string in_quotes(std::string_view untrusted) {
  return fmt::format("\"{}\"", printable(untrusted, 80));
}

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

Checkpoint open_checkpoint(const std::string& path) {
  Checkpoint checkpoint;
  checkpoint.path = path;
  std::error_code ignored;  // what cannot be asked cannot be opened either, and File says why
  if (fs::is_directory(path, ignored)) {
    const std::string entry = (fs::path(path) / entry_of(path)).string();
    require_inside(path, entry);
    read_file(entry, checkpoint);
  } else {
    read_file(path, checkpoint);
  }
  return checkpoint;
}

std::vector<FormatInfo> formats() {
  std::vector<FormatInfo> infos;
  for (const Format* format : kFormats) infos.push_back(format->info);
  return infos;
}

}  // namespace weighbridge
