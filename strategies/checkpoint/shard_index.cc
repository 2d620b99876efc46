// *.index.json: {"metadata": {...}, "weight_map": {TENSOR: SHARD, ...}}, the shards beside it, as transformers,
// diffusers and huggingface_hub write and read it, for safetensors (model.safetensors.index.json) and for PyTorch
// (pytorch_model.bin.index.json). All shards are of the format of the first.
//
// As transformers does, the map decides: a tensor in a shard that the map does not name is left out. What would make
// the load depend on the order of the shards is refused: a tensor of the map that another shard holds as well. Keys
// other than "weight_map" (metadata.total_size is often wrong) are checked to be JSON and dropped.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/json.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr uint64_t kMaximumIndex = 100'000'000;  // as a safetensors header
constexpr size_t kKeyKept = 32;                  // more than any key that matters here
constexpr size_t kShardNameKept = 4096;          // longer than any file name

struct Shard {
  std::string name;
  uint64_t at = 0;  // where the index first names it
};

struct Entry {
  std::string tensor;
  uint32_t shard = 0;
  uint32_t at = 0;  // in the index, below kMaximumIndex
  bool found = false;
};

struct WeightMap {
  std::vector<Shard> shards;   // by name
  std::vector<Entry> entries;  // by tensor
};

void require_plain_name(const JsonReader& json, const std::string& shard) {
  if (shard.empty() || shard == "." || shard == ".." ||
      shard.find_first_of(std::string_view("/\0", 2)) != std::string::npos || shard.size() >= kShardNameKept) {
    json.fail(json.at(), fmt::format("the shard name {}", in_quotes(shard)),
              "the plain name of a file beside the index");
  }
}

WeightMap read_weight_map(const File& index) {
  if (index.bytes() > kMaximumIndex) {
    throw format_error(index.path(), 0, fmt::format("an index of {} bytes", index.bytes()),
                       fmt::format("at most {}", kMaximumIndex));
  }
  JsonReader json(index, 0, index.bytes());
  WeightMap map;
  std::map<std::string, uint32_t> shard_ids;
  bool seen = false;
  std::string key;
  json.begin_object("a JSON object with \"weight_map\"");
  while (json.next_member(key, kKeyKept)) {
    if (key != "weight_map") {
      json.skip_value();
      continue;
    }
    if (seen) json.fail(json.at(), "\"weight_map\" a second time", "it once");
    seen = true;
    json.begin_object("an object that maps tensors to shards");
    std::string tensor;
    while (json.next_member(tensor)) {
      const auto tensor_at = static_cast<uint32_t>(json.at());
      std::string shard = json.read_string("the name of a shard", kShardNameKept);
      const auto [known, added] = shard_ids.try_emplace(std::move(shard), static_cast<uint32_t>(map.shards.size()));
      if (added) {
        require_plain_name(json, known->first);
        map.shards.push_back({known->first, json.at()});
      }
      map.entries.push_back({std::move(tensor), known->second, tensor_at});
    }
  }
  json.finish();
  if (!seen)
    throw format_error(index.path(), 0, "a JSON object without \"weight_map\"", "the index of a sharded checkpoint");

  // Shards by name: their order must not depend on which tensor the index happens to name first.
  std::vector<uint32_t> rank(map.shards.size());
  uint32_t next = 0;
  std::vector<Shard> by_name;
  for (const auto& [name, id] : shard_ids) {
    rank[id] = next++;
    by_name.push_back(std::move(map.shards[id]));
  }
  map.shards = std::move(by_name);
  for (Entry& entry : map.entries) entry.shard = rank[entry.shard];

  std::sort(map.entries.begin(), map.entries.end(), [](const Entry& left, const Entry& right) {
    const int compared = left.tensor.compare(right.tensor);
    return compared != 0 ? compared < 0 : left.at < right.at;
  });
  for (size_t i = 1; i < map.entries.size(); ++i) {
    if (map.entries[i].tensor == map.entries[i - 1].tensor) {
      json.fail(map.entries[i].at, fmt::format("tensor {} a second time", in_quotes(map.entries[i].tensor)),
                "each name once");
    }
  }
  return map;
}

File open_shard(const File& index, const std::string& folder, const Shard& shard) {
  const std::string path = (std::filesystem::path(folder) / shard.name).string();
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
    throw format_error(index.path(), shard.at, fmt::format("the shard {}", in_quotes(shard.name)),
                       "that file beside the index, where it is missing");
  }
  require_inside(folder, path);
  return File(path);
}

// Of the tensors from `first` on, keeps those that the map gives to this shard.
void keep_mapped(const File& shard_file, WeightMap& map, uint32_t shard, size_t first, std::vector<Tensor>& tensors) {
  const auto unmapped = [&](const Tensor& tensor) {
    const auto entry = std::lower_bound(map.entries.begin(), map.entries.end(), tensor.name,
                                        [](const Entry& one, const std::string& name) { return one.tensor < name; });
    if (entry == map.entries.end() || entry->tensor != tensor.name) return true;
    if (entry->shard != shard) {
      throw format_error(
          shard_file.path(), tensor.extent.offset, fmt::format("tensor {}", in_quotes(tensor.name)),
          fmt::format("it only in shard {}, where the index has it", in_quotes(map.shards[entry->shard].name)));
    }
    entry->found = true;
    return false;
  };
  tensors.erase(std::remove_if(tensors.begin() + static_cast<std::ptrdiff_t>(first), tensors.end(), unmapped),
                tensors.end());
}

}  // namespace

void read_shard_index(const File& index, Checkpoint& checkpoint) {
  WeightMap map = read_weight_map(index);
  const std::string folder = std::filesystem::path(index.path()).parent_path().string();
  for (uint32_t shard = 0; shard < map.shards.size(); ++shard) {
    const File file = open_shard(index, folder.empty() ? "." : folder, map.shards[shard]);
    const size_t first = checkpoint.tensors.size();
    checkpoint.files.push_back({file.path(), file.bytes()});
    const Format& format = format_of(file);
    if (shard == 0) {
      checkpoint.format = format.info.name;
    } else if (format.info.name != checkpoint.format) {
      throw format_error(file.path(), 0, fmt::format("a {} file", format.info.name),
                         fmt::format("a {} file, as the shards before", checkpoint.format));
    }
    format.read(file, checkpoint);
    keep_mapped(file, map, shard, first, checkpoint.tensors);
  }
  for (const Entry& entry : map.entries) {
    if (!entry.found) {
      throw format_error(
          index.path(), entry.at, fmt::format("tensor {}", in_quotes(entry.tensor)),
          fmt::format("it in shard {}, which does not hold it", in_quotes(map.shards[entry.shard].name)));
    }
  }
}

}  // namespace weighbridge
