// Groups are walked depth first, by name, without recursion; a group that several hard links lead to is entered once,
// under the first of its paths (the root once more where a link leads back to it), and a dataset is listed under each
// of its own (their tensors share extent and encoding, so that they are known to be one). Soft links name what is
// listed already, or nothing.
//
// What cannot be a tensor is left out with a remark: elements that are no plain numbers, filters that are plug-ins,
// elements in other files (external storage, virtual datasets). No other file is ever opened: external links are not
// followed. What is damaged is no such thing, and refuses the file.
//
// How much a file of B bytes may claim. Elements that the file does not store are made up while they are read (HDF5's
// fill values), a hostile chunk can be shared by many datasets, and a compressed one may stand for a thousand times its
// size. So all that reading the whole file once would deliver is added up, what is compressed divided by the most that
// its filter can do, and 32 bytes counted for each chunk. As long as that is within B + 64 MiB, which nothing that a
// tool wrote exceeds but for datasets that were declared and not filled, datasets are readable. One that goes beyond is
// listed, as h5py would, and refused when it is read.
#include "strategies/checkpoint/hdf5/listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/hdf5/chunk_index.h"
#include "strategies/checkpoint/hdf5/chunked_elements.h"
#include "strategies/checkpoint/hdf5/dataset.h"
#include "strategies/checkpoint/hdf5/dataset_encoding.h"
#include "strategies/checkpoint/hdf5/extension.h"
#include "strategies/checkpoint/hdf5/filters.h"
#include "strategies/checkpoint/hdf5/group.h"
#include "strategies/checkpoint/hdf5/superblock.h"
#include "strategies/checkpoint/storage/view.h"
#include "strategies/error.h"

namespace weighbridge::hdf5 {
namespace {

constexpr uint64_t kSpareBytes = 64u << 20;   // beyond the file's size, of elements
constexpr uint64_t kSpareMemory = 32u << 20;  // beyond the file's size, for names and tables
constexpr uint64_t kReadings = 64;            // times the file's size, of its structures while it is listed
constexpr uint64_t kChunkCost = 32;
constexpr size_t kMostLevels = 256;
constexpr size_t kNamed = 3;  // of what a remark counts

// Some of many, for people.
class Names {
 public:
  void add(std::string_view name, std::string_view what = {}) {
    if (count_++ >= kNamed) return;
    text_ += fmt::format("{}{}", text_.empty() ? "" : ", ", printable(name, 80));
    if (!what.empty()) text_ += fmt::format(" ({})", what);
  }
  size_t count() const { return count_; }
  std::string text() const { return count_ > kNamed ? fmt::format("{} and {} more", text_, count_ - kNamed) : text_; }

 private:
  size_t count_ = 0;
  std::string text_;
};

class Listing {
 public:
  Listing(const File& file, uint64_t begin, uint64_t bytes, Checkpoint& checkpoint)
      : file_(file),
        checkpoint_(checkpoint),
        first_(checkpoint.tensors.size()),
        superblock_(read_superblock(file, begin, bytes)),
        source_(file, superblock_.frame),
        place_{static_cast<uint32_t>(checkpoint.files.size() - 1), begin, bytes, 0},
        room_(superblock_.frame.bytes + kSpareMemory),
        may_claim_(superblock_.frame.bytes + kSpareBytes) {
    source_.limit(kReadings * superblock_.frame.bytes + kSpareBytes);
    use_extension(source_, superblock_);
  }

  void read() {
    enter(superblock_.root, read_object(source_, superblock_.root));
    groups_.clear();  // a link that leads back to the root lists it once more
    while (!levels_.empty()) {
      Level& level = levels_.back();
      path_.resize(level.path_bytes);
      if (level.next == level.links.size()) {
        levels_.pop_back();
        continue;
      }
      const Link link = std::move(level.links[level.next++]);
      if (!path_.empty()) path_ += '/';
      path_ += link.name;
      follow(link);
    }
    require_unique_names();
    require_something();
    remark();
  }

 private:
  struct Level {
    std::vector<Link> links;
    size_t next = 0;
    size_t path_bytes = 0;
  };

  [[noreturn]] void fail(uint64_t address, const std::string& found, const std::string& expected) const {
    throw format_error(file_.path(), superblock_.frame.base + address, found, expected);
  }

  void spend(uint64_t address, uint64_t bytes) {
    if (bytes > room_) fail(address, "more datasets than the file has room for", "each name stored once");
    room_ -= bytes;
  }

  void follow(const Link& link) {
    if (link.kind == Link::Kind::external) elsewhere_.add(path_);
    if (link.kind != Link::Kind::hard || groups_.contains(link.address)) return;
    if (const auto known = datasets_.find(link.address); known != datasets_.end()) {
      spend(link.address, sizeof(Tensor) + path_.size() + checkpoint_.tensors[known->second].shape.size() * 8);
      Tensor again = checkpoint_.tensors[known->second];
      again.name = path_;
      checkpoint_.tensors.push_back(std::move(again));
      return;
    }
    Object object = read_object(source_, link.address);
    if (object.dataset) {
      take(link.address, *object.dataset);
    } else {
      enter(link.address, object);
    }
  }

  void enter(uint64_t address, const Object& object) {
    if (object.is_type) return;
    if (!object.is_group)
      fail(address, fmt::format("an object {} that says not what it is", in_quotes(path_)),
           "a group, a dataset or a datatype");
    constexpr uint64_t kNode = 64;
    spend(address, kNode + sizeof(Level));
    groups_.insert(address);
    if (levels_.size() == kMostLevels) {
      fail(address, fmt::format("group {} inside {} others", in_quotes(path_), kMostLevels), "fewer");
    }
    levels_.push_back({read_links(source_, address, object, room_), 0, path_.size()});
  }

  void take(uint64_t address, DatasetOrNot& found) {
    if (!found.dataset) {
      left_out_.add(path_, found.other);
      return;
    }
    Dataset& dataset = *found.dataset;
    if (const std::string unknown = unknown_filter(dataset.chunking.filters); !unknown.empty()) {
      left_out_.add(path_, unknown);
      return;
    }
    constexpr uint64_t kNodes = 64 + 160;  // in datasets_, and for an encoding
    spend(address, sizeof(Tensor) + path_.size() + dataset.shape.size() * 8 + kNodes);
    Tensor tensor;
    tensor.name = path_;
    tensor.shape = dataset.shape;
    tensor.dtype = dataset.type.dtype;
    tensor.extent = {place_.file, superblock_.frame.base + address, 0};
    if (dataset.bytes() > 0) lay(tensor, address, dataset);
    datasets_.emplace(address, checkpoint_.tensors.size());
    checkpoint_.tensors.push_back(std::move(tensor));
  }

  void lay(Tensor& tensor, uint64_t address, Dataset& dataset) {
    find_plain_chunk(dataset);
    const bool readable = claim(dataset);
    if (dataset.data_offset && dataset.type.whole()) {
      if (!readable) {
        fail(address, fmt::format("datasets that claim more than the file's {} bytes", superblock_.frame.bytes),
             "datasets that do not overlap");
      }
      const Storage storage{{place_.file, *dataset.data_offset, dataset.bytes()}, nullptr};
      View view;
      view.big_endian = dataset.type.big_endian;
      layout_.lay(tensor, storage, view, {file_.path(), superblock_.frame.base + address});
      return;
    }
    EncodedPlace place = place_;
    place.object = address;
    tensor.encoding = encode_dataset(place, superblock_.frame, dataset, readable);
    if (dataset.data_offset) {
      tensor.extent = {place_.file, *dataset.data_offset, dataset.bytes()};
    } else if (dataset.chunking.address) {
      // The chunks lie anywhere: where their index begins stands for them.
      constexpr uint64_t kSignature = 4;
      const bool single = dataset.chunking.index == ChunkIndexType::single && dataset.chunking.single_bytes > 0;
      const uint64_t bytes = single ? dataset.chunking.single_bytes : kSignature;
      tensor.extent = {place_.file, source_.file_offset("chunks", *dataset.chunking.address, bytes), bytes};
    }
    if (!readable) not_held_.add(path_);
  }

  // One chunk without filters that is the whole dataset lies plainly.
  void find_plain_chunk(Dataset& dataset) {
    const Chunking& chunking = dataset.chunking;
    if (dataset.layout != Layout::chunked || !chunking.address || !chunking.filters.empty() ||
        chunking.shape != dataset.shape) {
      return;
    }
    const std::vector<uint64_t> first(dataset.shape.size(), 0);
    const std::optional<Chunk> chunk = open_chunk_index(source_, dataset)->find(first);
    if (chunk && chunk->bytes == dataset.bytes()) {
      dataset.data_offset = source_.file_offset("a chunk", chunk->address, chunk->bytes);
      dataset.layout = Layout::contiguous;
    }
  }

  // Whether reading it stays within what a file of this size may claim.
  bool claim(const Dataset& dataset) {
    uint64_t claimed = dataset.bytes();
    if (dataset.layout == Layout::chunked && dataset.chunking.address) {
      claimed /= most_expanded(dataset.chunking.filters);
      const uint64_t chunks = chunk_count(dataset);
      claimed = std::max(claimed, chunks > UINT64_MAX / kChunkCost ? UINT64_MAX : chunks * kChunkCost);
    }
    if (claimed > may_claim_) return false;
    may_claim_ -= claimed;
    return true;
  }

  void require_unique_names() const {
    std::vector<uint32_t> order(checkpoint_.tensors.size() - first_);
    std::iota(order.begin(), order.end(), 0);
    const auto name = [&](uint32_t index) -> const std::string& { return checkpoint_.tensors[first_ + index].name; };
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return name(a) < name(b); });
    const auto twice =
        std::adjacent_find(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return name(a) == name(b); });
    if (twice != order.end())
      fail(0, fmt::format("dataset {} a second time", in_quotes(name(*twice))), "each path once");
  }

  void require_something() const {
    if (checkpoint_.tensors.size() > first_ || left_out_.count() + elsewhere_.count() == 0) return;
    const Names& names = left_out_.count() > 0 ? left_out_ : elsewhere_;
    fail(0,
         fmt::format("{} and no dataset of plain numbers: {}",
                     left_out_.count() > 0 ? "other datasets" : "links to other files", names.text()),
         "at least one");
  }

  void remark() {
    const auto add = [&](std::string_view id, std::string text, uint64_t bytes = 0) {
      checkpoint_.remarks.push_back({std::string(id), std::move(text), bytes});
    };
    const auto plural = [](size_t count, std::string_view one, std::string_view many) {
      return fmt::format("{} {}", count, count == 1 ? one : many);
    };
    if (left_out_.count() > 0) {
      add("left-out", fmt::format("{} cannot be read as plain numbers and {} left out: {}",
                                  plural(left_out_.count(), "dataset", "datasets"),
                                  left_out_.count() == 1 ? "was" : "were", left_out_.text()));
    }
    if (elsewhere_.count() > 0) {
      add("left-out", fmt::format("{} to other files {} not followed: {}", plural(elsewhere_.count(), "link", "links"),
                                  elsewhere_.count() == 1 ? "was" : "were", elsewhere_.text()));
    }
    if (not_held_.count() > 0) {
      add("declares-more",
          fmt::format("{} more than the file can hold and cannot be read: {}",
                      plural(not_held_.count(), "dataset declares", "datasets declare"), not_held_.text()));
    }
    remark_on_optimizer();
  }

  // Keras 2 keeps optimizer_weights beside model_weights, Keras 3 optimizer/vars beside layers.
  void remark_on_optimizer() {
    const auto begins = [](const Tensor& tensor, std::string_view with) { return tensor.name.starts_with(with); };
    constexpr std::array<std::array<std::string_view, 2>, 3> kBeside{
        {{"optimizer_weights/", "model_weights/"},
         {"optimizer/vars/", "layers/"},
         {"optimizer/vars/", "_layer_checkpoint_dependencies/"}}};
    const std::span<const Tensor> tensors(checkpoint_.tensors.data() + first_, checkpoint_.tensors.size() - first_);
    for (const auto& [optimizer, model] : kBeside) {
      const auto in_model = [&, with = model](const Tensor& tensor) { return begins(tensor, with); };
      if (std::none_of(tensors.begin(), tensors.end(), in_model)) continue;
      size_t count = 0;
      uint64_t bytes = 0;
      for (const Tensor& tensor : tensors) {
        if (!begins(tensor, optimizer)) continue;
        ++count;
        bytes += tensor.bytes();
      }
      if (count == 0) continue;
      checkpoint_.remarks.push_back(
          {"optimizer-state",
           fmt::format("{} tensor{} below {} {} the optimizer's state, which training goes on from and inference does "
                       "not need",
                       count, count == 1 ? "" : "s", optimizer.substr(0, optimizer.find('/')),
                       count == 1 ? "is" : "are"),
           bytes});
      return;
    }
  }

  const File& file_;
  Checkpoint& checkpoint_;
  const size_t first_;  // of this file's tensors
  const Superblock superblock_;
  Source source_;
  const EncodedPlace place_;
  TensorLayout layout_;
  uint64_t room_, may_claim_;
  std::vector<Level> levels_;
  std::string path_;
  std::unordered_set<uint64_t> groups_;            // addresses of those that were entered
  std::unordered_map<uint64_t, size_t> datasets_;  // by address: the first of their tensors
  Names left_out_, elsewhere_, not_held_;
};

}  // namespace

void list_datasets(const File& file, uint64_t begin, uint64_t bytes, Checkpoint& checkpoint) {
  Listing(file, begin, bytes, checkpoint).read();
}

}  // namespace weighbridge::hdf5
