// GGUF models: one file (gguf_header.h), or a set of parts that llama-gguf-split made: NAME-00001-of-00003.gguf and so
// on, each a whole GGUF file that says in its keys which part it is.
//
// llama.cpp wants the first part to be named. Here any part stands for the set, as people name the one that their shell
// completes to; the parts are read in their order all the same. Each is opened by the name that its number gives it,
// beside the one that was named, and must say that it is this part of that many.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/gguf/gguf_header.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

bool recognises(const File& file) {
  return file.peek(0, 4) == "GGUF";
}

// As llama.cpp's llama_split_path makes them.
std::string part_suffix(uint64_t number, uint64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", number + 1, count);
}

std::string told(uint64_t number, uint64_t count) {
  return fmt::format("split.no {} of split.count {}", number, count);
}

bool exists(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

GgufSplit read_part(const File& file, Checkpoint& checkpoint) {
  return read_gguf(file, static_cast<uint32_t>(checkpoint.files.size() - 1), checkpoint.tensors);
}

// The set that `named`, whose keys are `split`, is a part of. Its files and tensors are not in `checkpoint` yet.
void read_set(const File& named, const GgufSplit& split, Checkpoint& checkpoint) {
  if (split.number >= split.count) {
    throw format_error(named.path(), split.at, told(split.number, split.count), "a number below the count");
  }
  const std::string suffix = part_suffix(split.number, split.count);
  if (!named.path().ends_with(suffix)) {
    throw format_error(named.path(), split.at, fmt::format("{} under another name", told(split.number, split.count)),
                       fmt::format("NAME{}, with the other parts beside it", suffix));
  }
  const std::string stem = named.path().substr(0, named.path().size() - suffix.size());
  const std::string folder = std::filesystem::path(named.path()).parent_path().string();
  const size_t first = checkpoint.tensors.size();
  for (uint64_t number = 0; number < split.count; ++number) {
    const std::string path = stem + part_suffix(number, split.count);
    if (number != split.number) {
      if (!exists(path)) {
        throw format_error(named.path(), split.at, fmt::format("a set of {} parts", split.count),
                           fmt::format("part {} beside it, where {} is missing", number + 1,
                                       in_quotes(std::filesystem::path(path).filename().string())));
      }
      require_inside(folder.empty() ? "." : folder, path);
    }
    const File part(path);
    checkpoint.files.push_back({path, part.bytes()});
    const GgufSplit says = read_part(part, checkpoint);
    if (says.number != number || says.count != split.count) {
      throw format_error(path, says.at, told(says.number, says.count),
                         fmt::format("{}, as its name says", told(number, split.count)));
    }
  }
  const uint64_t found = checkpoint.tensors.size() - first;
  if (split.tensors && *split.tensors != found) {
    throw format_error(named.path(), split.at, fmt::format("{} tensors in the {} parts", found, split.count),
                       fmt::format("{}, as this part says", *split.tensors));
  }
  if (split.number > 0) {
    checkpoint.remarks.push_back(
        {"chosen", fmt::format("{} is part {} of {}: all of them were read",
                               printable(std::filesystem::path(named.path()).filename().string(), 80), split.number + 1,
                               split.count)});
  }
}

void require_unique_names(const Checkpoint& checkpoint, size_t first) {
  const auto& tensors = checkpoint.tensors;
  std::vector<uint32_t> order(tensors.size() - first);
  std::iota(order.begin(), order.end(), static_cast<uint32_t>(first));
  std::sort(order.begin(), order.end(), [&](uint32_t left, uint32_t right) {
    const int compared = tensors[left].name.compare(tensors[right].name);
    return compared != 0 ? compared < 0 : left < right;
  });
  const auto twice = std::adjacent_find(order.begin(), order.end(), [&](uint32_t left, uint32_t right) {
    return tensors[left].name == tensors[right].name;
  });
  if (twice == order.end()) return;
  const Tensor& second = tensors[*(twice + 1)];
  throw format_error(checkpoint.files[second.extent.file].path, second.extent.offset,
                     fmt::format("tensor {} a second time", in_quotes(second.name)), "each name once");
}

void read(const File& file, Checkpoint& checkpoint) {
  const size_t first = checkpoint.tensors.size();
  const GgufSplit split = read_part(file, checkpoint);
  if (split.count > 1) {
    checkpoint.tensors.resize(first);
    checkpoint.files.pop_back();
    read_set(file, split, checkpoint);
  }
  require_unique_names(checkpoint, first);
}

}  // namespace

constexpr std::string_view kSuffixes[] = {".gguf"};

const Format kGguf{
    .info = {"gguf", "versions 2 and 3 of either byte order, one file or a split set"},
    .suffixes = kSuffixes,
    .recognises = recognises,
    .read = read,
};

}  // namespace weighbridge
