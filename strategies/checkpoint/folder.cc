// Which file of a folder is its checkpoint: what the libraries that write such folders would take, in their order.
//
// transformers takes model.safetensors, then its index, then pytorch_model.bin, then its index, then tf_model.h5, then
// model.onnx (optimum); diffusers and PEFT have the same order under names of their own; Keras writes *.keras and
// *.weights.h5. Behind these names stands whatever file is the only one of its format, the formats in the registry's
// order. A set of GGUF splits counts as one file.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <system_error>

#include "strategies/checkpoint/format.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 17> kByName{
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.safetensors.index.json",
    "diffusion_pytorch_model.bin",
    "adapter_model.safetensors",
    "adapter_model.bin",
    "consolidated.safetensors",
    "consolidated.00.pth",
    "tf_model.h5",
    "model.onnx",
    "model.keras",
    "model.weights.h5",
    "model.gguf",
    "pytorch_model.pt",
};

// The number of "x-00002-of-00003.gguf" in its set; empty for a file that is no part of one.
std::string_view part_number(std::string_view name) {
  const size_t of = name.rfind("-of-");
  if (of == std::string_view::npos || of < 6 || name[of - 6] != '-') return {};
  const std::string_view number = name.substr(of - 5, 5);
  return number.find_first_not_of("0123456789") == std::string_view::npos ? number : std::string_view{};
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

// The names in a folder that matter, sorted; the rest of it may be of any size.
struct Listing {
  std::set<std::string> indices;
  std::map<const Format*, std::set<std::string>> files;

  // What stands for itself: parts of a set do not, as an index or their first part stands for them.
  std::set<std::string> checkpoints() const {
    std::set<std::string> all = indices;
    for (const auto& [format, names] : files) {
      std::copy_if(names.begin(), names.end(), std::inserter(all, all.end()),
                   [](const std::string& name) { return part_number(name).empty(); });
    }
    return all;
  }

  FolderEntry entry(std::string_view name) const {
    FolderEntry entry{std::string(name), {}};
    std::set<std::string> others = checkpoints();
    others.erase(entry.name);
    if (!others.empty()) entry.others = shown(others);
    return entry;
  }
};

Listing list(const std::string& folder) {
  Listing listing;
  std::error_code failed;
  fs::directory_iterator entries(folder, failed);
  for (; !failed && entries != fs::directory_iterator(); entries.increment(failed)) {
    std::string name = entries->path().filename().string();
    if (name.starts_with('.')) continue;  // what editors and file managers leave behind
    if (name.ends_with(kIndexSuffix)) {
      listing.indices.insert(std::move(name));
      continue;
    }
    const std::string_view part = part_number(name);
    if (name.ends_with(".gguf") && !part.empty() && part != "00001") continue;  // its first part has no index
    for (const Format* format : all_formats()) {
      if (!named_as(*format, name)) continue;
      listing.files[format].insert(std::move(name));
      break;
    }
  }
  if (failed) throw system_error("readdir", folder, failed.value());
  return listing;
}

}  // namespace

FolderEntry entry_of(const std::string& folder) {
  const Listing found = list(folder);
  const auto has = [&](std::string_view name) {
    const std::string text(name);
    if (name.ends_with(kIndexSuffix)) return found.indices.contains(text);
    return std::any_of(found.files.begin(), found.files.end(),
                       [&](const auto& files) { return files.second.contains(text); });
  };
  for (const std::string_view name : kByName) {
    if (has(name)) return found.entry(name);
  }
  for (const Format* format : all_formats()) {
    const auto files = found.files.find(format);
    if (files == found.files.end()) continue;
    if (files->second.size() == 1) return found.entry(*files->second.begin());
    if (found.indices.size() == 1) break;
    const std::set<std::string> all = found.checkpoints();
    if (all.empty()) {
      throw Error(ErrorKind::bad_input,
                  fmt::format("{}: found parts of a set ({}) without the *.index.json that joins them, expected it too",
                              printable(folder), shown(files->second)));
    }
    throw Error(
        ErrorKind::bad_input,
        fmt::format(
            "{}: found {} checkpoints and no index that joins them ({}), expected one; name the file to be read",
            printable(folder), all.size(), shown(all)));
  }
  if (found.indices.size() == 1) return found.entry(*found.indices.begin());
  throw Error(ErrorKind::bad_input,
              fmt::format("{}: found no checkpoint, expected model.safetensors, model.safetensors.index.json, "
                          "pytorch_model.bin or a single file of a known format",
                          printable(folder)));
}

}  // namespace weighbridge
