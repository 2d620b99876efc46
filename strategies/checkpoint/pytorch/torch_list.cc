#include "strategies/checkpoint/pytorch/torch_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/pytorch/pytorch.h"
#include "strategies/checkpoint/pytorch/torch_remarks.h"
#include "strategies/checkpoint/pytorch/torch_walk.h"
#include "strategies/checkpoint/storage/view.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr uint64_t kHeap = 56u << 20;                 // of 64 MiB: the rest is for buffers and what is short-lived
constexpr uint64_t kLimitAtMost = uint64_t{4} << 30;  // indices of values have 32 bits
// Different views of one storage may come to so much more than it: slices of one tensor, tensors with their transposes.
constexpr uint64_t kViewsPerByte = 32, kViewsAtLeast = 64u << 20;

class Lister final : public TorchVisitor {
 public:
  Lister(const TorchPickle& pickle, TorchStorages& storages, Checkpoint& checkpoint)
      : pickle_(pickle),
        torch_(pickle.stream, pickle.values, pickle.script),
        storages_(storages),
        checkpoint_(checkpoint),
        remarks_(torch_),
        heap_(pickle.values.heap_bytes()) {}

  void run() {
    const size_t first = checkpoint_.tensors.size();
    reserve();
    walk(torch_, pickle_.values, pickle_.root, *this);
    if (checkpoint_.tensors.size() == first) remarks_.refuse(pickle_.script);
    measure_storages();
    remarks_.append_to(checkpoint_.remarks);
  }

  void leaf(const TorchValues::Leaf& leaf, const std::string& name, bool optimizer) override {
    if (leaf.what == TorchValues::What::left_out) {
      remarks_.left_out(leaf.why, name);
      return;
    }
    TorchTensor described;
    if (leaf.what == TorchValues::What::tensor) {
      described = torch_.tensor(leaf, name);
    } else {
      described.storage = leaf.call;
    }
    Tensor tensor;
    tensor.name = name;
    tensor.shape = std::move(described.shape);
    View view;
    view.big_endian = storages_.big_endian();
    view.first_element = described.first_element;
    const std::optional<Found> found = find(described.storage, name, leaf.at);
    if (!found) {
      remarks_.left_out("meta", name);
      return;
    }
    tensor.dtype = described.dtype.value_or(found->dtype);
    if (leaf.what == TorchValues::What::tensor) {
      view.strides = std::move(described.strides);
    } else {  // a storage by itself: a row of its elements
      tensor.shape = {found->elements};
    }
    layout_.lay(tensor, found->storage, view, {pickle_.stream.file().path(), pickle_.stream.place(leaf.at)});
    add(std::move(tensor), found->storage, optimizer);
  }

  void module(PickleRef object) override { remarks_.module(object); }
  void charge(uint64_t bytes) override {
    heap_ += bytes;
    if (heap_ > pickle_.limit_bytes) {
      pickle_.stream.fail(0,
                          fmt::format("a pickle and {} tensors whose tables take more than {} bytes",
                                      checkpoint_.tensors.size(), pickle_.limit_bytes),
                          "fewer in a file of this size");
    }
  }
  void refund(uint64_t bytes) override { heap_ -= bytes; }

 private:
  struct Found {
    Storage storage;
    Dtype dtype;
    uint64_t elements;
  };
  // Of a plain storage, what its tensors reach.
  struct Use {
    uint64_t storage_at, storage_bytes;
    uint32_t file;
    uint32_t tensor;
  };

  // Nullopt: on no device that has bytes.
  std::optional<Found> find(PickleRef storage, const std::string& name, uint64_t at) {
    const PickleValues& values = pickle_.values;
    const std::string what = fmt::format("tensor {}", in_quotes(name));
    if (values.is(storage, PickleKind::persistent)) {
      if (const std::optional<StorageId> id = torch_.storage_id(storage, what)) {
        if (id->meta) return std::nullopt;
        return Found{storages_.find(*id, what, values.persistent_at(storage)), id->dtype, id->part_elements};
      }
    } else if (values.is(storage, PickleKind::object)) {
      const TorchMeaning* meaning = torch_.callee(storage);
      if (meaning != nullptr && meaning->what == TorchGlobal::load_from_bytes) return find_inside(storage, what);
    }
    pickle_.stream.fail(at, fmt::format("{} without a storage", what), "one, or the id of one");
  }

  // A storage that stands in the pickle itself, as bytes that torch.save made: what pickle.dump writes of a tensor.
  Found find_inside(PickleRef object, const std::string& what) {
    const PickleValues& values = pickle_.values;
    const PickleRef args = values.object(object).args;
    const uint64_t at = values.object(object).at;
    const PickleRef bytes =
        values.is(args, PickleKind::tuple) && values.count(args) == 1 ? values.item(args, 0) : PickleValues::kNone;
    if (!values.is(bytes, PickleKind::bytes) || pickle_.stream.storage().deflated) {
      pickle_.stream.fail(at, fmt::format("{} in a storage that does not lie plainly in the pickle", what),
                          "bytes as protocol 3 and above writes them");
    }
    const PickleValues::Stretch stretch = values.bytes(bytes);
    const auto [known, added] = inside_.try_emplace(stretch.at);
    if (!added) return known->second;
    const Storage storage{{pickle_.stream.storage().extent.file, pickle_.stream.place(stretch.at), stretch.bytes}, {}};
    const StoredAlone alone =
        read_stored_alone(pickle_.stream.file(), storage, checkpoint_, what, pickle_.limit_bytes - heap_);
    charge(sizeof(*known) + 48);
    return known->second = {alone.storage, alone.dtype, alone.elements};
  }

  // Room for as many tensors as there are calls that make one: a table that grows is there twice while it does.
  void reserve() {
    uint64_t calls = 0;
    for (const PickleValues::Object& object : pickle_.values.objects()) {
      if (!pickle_.values.is(object.callee, PickleKind::global)) continue;
      const TorchGlobal what = torch_.meaning(pickle_.values.global_index(object.callee)).what;
      calls += what == TorchGlobal::rebuild_tensor || what == TorchGlobal::rebuild_tensor_v3 ? 1 : 0;
    }
    charge(calls * (sizeof(Tensor) + sizeof(Use)));
    checkpoint_.tensors.reserve(checkpoint_.tensors.size() + calls);
    uses_.reserve(calls);
  }

  void add(Tensor tensor, const Storage& storage, bool optimizer) {
    constexpr uint64_t kAllocation = 16;  // what the heap takes for itself
    charge(tensor.name.size() + sizeof(uint64_t) * tensor.shape.size() + 2 * kAllocation +
           (tensor.plain() ? 0 : 256 + 24 * tensor.shape.size()));
    // Named more often than made: beyond what was reserved, and perhaps there twice.
    if (checkpoint_.tensors.size() == checkpoint_.tensors.capacity()) {
      charge(2 * std::max<uint64_t>(1, checkpoint_.tensors.size()) * (sizeof(Tensor) + sizeof(Use)));
    }
    if (!storage.deflated) {
      uses_.push_back({storage.extent.offset, storage.extent.bytes, storage.extent.file,
                       static_cast<uint32_t>(checkpoint_.tensors.size())});
    }
    if (optimizer) remarks_.optimizer(tensor);
    checkpoint_.tensors.push_back(std::move(tensor));
  }

  // Storages of which tensors use little are worth a remark: they are read and held whole. Many different views of one
  // are refused, as reading them all would take work out of proportion to the file.
  void measure_storages() {
    const auto key = [&](const Use& use) {
      const Tensor& tensor = checkpoint_.tensors[use.tensor];
      return std::tuple(use.file, use.storage_at, tensor.extent.offset, tensor.extent.bytes, tensor.encoding.get());
    };
    std::sort(uses_.begin(), uses_.end(), [&](const Use& left, const Use& right) { return key(left) < key(right); });
    uint64_t used = 0, unused = 0, storages = 0;
    for (size_t i = 0; i < uses_.size();) {
      const Use& storage = uses_[i];
      uint64_t whole = 0, reached = 0, end = 0, read = 0;
      const size_t first = i;
      for (; i < uses_.size() && uses_[i].file == storage.file && uses_[i].storage_at == storage.storage_at; ++i) {
        const Tensor& tensor = checkpoint_.tensors[uses_[i].tensor];
        whole = std::max(whole, uses_[i].storage_bytes);
        const uint64_t tensor_end = tensor.extent.offset + tensor.extent.bytes;
        if (tensor_end > end) reached += tensor_end - std::max(end, tensor.extent.offset);
        end = std::max(end, tensor_end);
        if (i > first && key(uses_[i]) == key(uses_[i - 1])) continue;
        read += tensor.bytes();
        if (read > kViewsAtLeast && read / kViewsPerByte > whole) {
          pickle_.stream.fail(0,
                              fmt::format("views of one storage of {} bytes that come to {} bytes, the last tensor {}",
                                          whole, read, in_quotes(tensor.name)),
                              fmt::format("at most {} times the storage", kViewsPerByte));
        }
      }
      used += reached;
      if (whole > reached) {
        unused += whole - reached;
        ++storages;
      }
    }
    if (unused > 0 && unused >= used / 8) remarks_.unused(storages, unused);
  }

  const TorchPickle& pickle_;
  const TorchValues torch_;
  TorchStorages& storages_;
  Checkpoint& checkpoint_;
  TorchRemarks remarks_;
  TensorLayout layout_;
  std::vector<Use> uses_;
  std::map<uint64_t, Found> inside_;  // by where in the pickle their bytes are
  uint64_t heap_;
};

}  // namespace

uint64_t torch_limit(const File& file, uint64_t taken) {
  return std::min(kLimitAtMost, kHeap + (file.bytes() > taken ? file.bytes() - taken : 0));
}

void list_torch_tensors(const TorchPickle& pickle, TorchStorages& storages, Checkpoint& checkpoint) {
  Lister(pickle, storages, checkpoint).run();
}

}  // namespace weighbridge
