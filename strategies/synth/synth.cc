// Lays a checkpoint out as the reference writers do and streams it to the disk.
//
// One file: tensors by descending alignment of their dtype, then by name, without gaps; the header padded with spaces
// to a multiple of 8 (safetensors' serialize_to_file). Several: the tensors in the order of the model are cut into runs
// of about equal size, and an index maps each to its file (transformers' save_pretrained).
#include "strategies/synth/synth.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "strategies/checkpoint/safetensors.h"
#include "strategies/error.h"
#include "strategies/output_file.h"
#include "strategies/synth/architecture.h"
#include "strategies/synth/weights.h"

namespace weighbridge {
namespace {

namespace fs = std::filesystem;
using synth::Recipe;

constexpr size_t kBlockElements = 64 << 10;
constexpr std::string_view kSuffix = ".safetensors";

struct Placed {
  const Recipe* recipe;
  Dtype dtype;
  uint64_t elements;
  uint64_t bytes;
};

using Shard = std::vector<Placed>;

uint64_t bytes_of(const Shard& shard) {
  uint64_t sum = 0;
  for (const Placed& tensor : shard) sum += tensor.bytes;
  return sum;
}

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::vector<Recipe> recipes_for(const SynthRequest& request) {
  const auto known = architectures();
  const auto info = std::find_if(known.begin(), known.end(),
                                 [&](const ArchitectureInfo& one) { return one.name == request.architecture; });
  if (info == known.end()) {
    std::string names;
    for (const ArchitectureInfo& one : known) names += fmt::format("{}{}", names.empty() ? "" : ", ", one.name);
    throw Error(ErrorKind::usage, fmt::format("found architecture \"{}\", expected one of {}",
                                              printable(request.architecture, 80), names));
  }
  if (request.layers && (*request.layers < 1 || *request.layers > info->layers)) {
    throw Error(ErrorKind::usage,
                fmt::format("found {} layers for {}, expected 1 to {}", *request.layers, info->name, info->layers));
  }
  switch (request.dtype) {
    case Dtype::f64:
    case Dtype::f32:
    case Dtype::f16:
    case Dtype::bf16:
    case Dtype::f8_e4m3:
    case Dtype::f8_e5m2:
      break;
    default:
      throw Error(ErrorKind::usage, fmt::format("found dtype {} for made-up weights, expected f64, f32, f16, bf16, "
                                                "f8_e4m3 or f8_e5m2",
                                                name(request.dtype)));
  }
  return *synth::recipes(info->name, request.layers);
}

// Cuts the tensors, in the order of the model, into `count` runs: a run ends where its share of the bytes is reached,
// or where the tensors left are only just enough for one a shard.
std::vector<Shard> distribute(const Shard& tensors, unsigned count) {
  const uint64_t total = bytes_of(tensors);
  std::vector<Shard> shards(1);
  uint64_t reached = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const size_t shards_left = count - shards.size();
    const bool full = reached >= total / count * shards.size() || tensors.size() - i == shards_left;
    if (shards_left > 0 && full && !shards.back().empty()) shards.emplace_back();
    shards.back().push_back(tensors[i]);
    reached += tensors[i].bytes;
  }
  return shards;
}

std::string header_of(const Shard& shard) {
  std::string header = R"({"__metadata__":{"format":"pt"})";
  uint64_t offset = 0;
  for (const Placed& tensor : shard) {  // the names are our own: nothing to escape
    header += fmt::format(R"(,"{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", tensor.recipe->name,
                          safetensors_name(tensor.dtype), fmt::join(tensor.recipe->shape, ","), offset,
                          offset + tensor.bytes);
    offset += tensor.bytes;
  }
  header += '}';
  header.append((8 - header.size() % 8) % 8, ' ');
  return header;
}

std::string length_of(const std::string& header) {
  std::string length;
  for (unsigned byte = 0; byte < 8; ++byte) length += static_cast<char>(header.size() >> (8 * byte) & 0xff);
  return length;
}

class Progress {
 public:
  Progress(const SynthRequest& request, uint64_t total) : report_(request.progress), total_(total) {}
  void add(uint64_t bytes) {
    done_ += bytes;
    if (report_) report_(done_, total_);
  }

 private:
  const std::function<void(uint64_t, uint64_t)>& report_;
  uint64_t done_ = 0, total_;
};

void write_tensor(const Placed& tensor, uint64_t seed, OutputFile& file, Progress& progress) {
  const uint64_t stream = synth::stream_of(seed, tensor.recipe->name);
  const uint64_t element_bytes = block(tensor.dtype).bytes;
  std::vector<double> values(std::min<uint64_t>(kBlockElements, tensor.elements));
  std::vector<std::byte> encoded(values.size() * element_bytes);
  for (uint64_t first = 0; first < tensor.elements; first += values.size()) {
    values.resize(std::min<uint64_t>(values.size(), tensor.elements - first));
    synth::draw_normal(stream, first, values);
    for (double& value : values) value = tensor.recipe->mean + tensor.recipe->spread * value;
    synth::encode(tensor.dtype, values, encoded);
    const uint64_t bytes = values.size() * element_bytes;
    file.write(std::span(encoded).first(bytes));
    progress.add(bytes);
  }
}

OutputFile write_shard(const std::string& path, Shard shard, uint64_t seed, Progress& progress) {
  std::sort(shard.begin(), shard.end(), [](const Placed& left, const Placed& right) {
    const unsigned left_rank = safetensors_rank(left.dtype), right_rank = safetensors_rank(right.dtype);
    return left_rank != right_rank ? left_rank > right_rank : left.recipe->name < right.recipe->name;
  });
  const std::string header = header_of(shard);
  OutputFile file(path, 8 + header.size() + bytes_of(shard));
  file.write(as_bytes(length_of(header)));
  file.write(as_bytes(header));
  for (const Placed& tensor : shard) write_tensor(tensor, seed, file, progress);
  file.sync();
  return file;
}

// As json.dumps(index, indent=2, sort_keys=True) writes it.
std::string index_of(const std::vector<Shard>& shards, const std::vector<std::string>& names) {
  std::map<std::string_view, std::string_view> weight_map;
  uint64_t total = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    total += bytes_of(shards[i]);
    for (const Placed& tensor : shards[i]) weight_map[tensor.recipe->name] = names[i];
  }
  std::string index =
      fmt::format("{{\n  \"metadata\": {{\n    \"total_size\": {}\n  }},\n  \"weight_map\": {{\n", total);
  size_t left = weight_map.size();
  for (const auto& [tensor, shard] : weight_map) {
    index += fmt::format("    \"{}\": \"{}\"{}\n", tensor, shard, --left > 0 ? "," : "");
  }
  return index + "  }\n}\n";
}

void synthesise_shards(const SynthRequest& request, const Shard& tensors, Progress& progress) {
  fs::path folder(request.output);
  std::string stem = "model";
  if (request.output.ends_with(kSuffix)) {
    stem = folder.filename().string();
    stem.resize(stem.size() - kSuffix.size());
    folder = folder.parent_path();
  }
  if (stem.find_first_of("\"\\") != std::string::npos) {
    throw Error(ErrorKind::usage,
                fmt::format("found the name {}, expected one without quotes and backslashes", printable(stem)));
  }
  std::error_code failed;
  if (!folder.empty()) fs::create_directories(folder, failed);
  if (failed) throw system_error("mkdir", folder.string(), failed.value());

  const std::vector<Shard> shards = distribute(tensors, request.shards);
  std::vector<std::string> names;
  std::vector<OutputFile> files;
  for (size_t i = 0; i < shards.size(); ++i) {
    names.push_back(fmt::format("{}-{:05}-of-{:05}{}", stem, i + 1, shards.size(), kSuffix));
    files.push_back(write_shard((folder / names.back()).string(), shards[i], request.seed, progress));
  }
  const std::string index = index_of(shards, names);
  const std::string index_path = (folder / fmt::format("{}{}.index.json", stem, kSuffix)).string();
  OutputFile index_file(index_path, index.size());
  index_file.write(as_bytes(index));
  index_file.sync();
  for (OutputFile& file : files) file.rename();
  sync_folder_of(index_path);  // the shards stand before an index can name them
  index_file.rename();
  sync_folder_of(index_path);
}

}  // namespace

void synthesise(const SynthRequest& request) {
  const std::vector<Recipe> recipes = recipes_for(request);
  if (request.shards < 1 || request.shards > recipes.size() || request.shards > 99'999) {
    throw Error(ErrorKind::usage, fmt::format("found {} shards for {} tensors, expected 1 to {}", request.shards,
                                              recipes.size(), recipes.size()));
  }
  if (request.output.empty()) throw Error(ErrorKind::usage, "found no output, expected the name of a file");
  Shard tensors;
  for (const Recipe& recipe : recipes) {
    const Dtype dtype = recipe.dtype.value_or(request.dtype);
    const uint64_t elements = element_count(recipe.shape).value();
    tensors.push_back({&recipe, dtype, elements, packed_bytes(dtype, elements).value()});
  }
  Progress progress(request, bytes_of(tensors));
  if (request.shards > 1) {
    synthesise_shards(request, tensors, progress);
  } else {
    write_shard(request.output, tensors, request.seed, progress).rename();
    sync_folder_of(request.output);
  }
}

}  // namespace weighbridge
