// The old form, which torch.save wrote before 1.6 and still writes when asked to: five pickles one after the other (a
// magic number, a protocol version, facts of the machine, the object, the storages' keys), then for each key its number
// of elements (eight bytes) and its elements, always little-endian. torch/serialization.py, _legacy_save.
//
// A pickle by itself has the object alone. Python's own pickle.dump of tensors keeps each storage in the pickle, as
// bytes that are such a file again, with a storage for an object.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>

#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/pytorch/pickle.h"
#include "strategies/checkpoint/pytorch/pytorch.h"
#include "strategies/checkpoint/pytorch/torch_list.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr std::string_view kMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);  // 0x1950a86a20f9469cfc6c
constexpr int64_t kProtocol = 1001;
constexpr uint64_t kCountBytes = 8;
constexpr uint64_t kEntryBytes = 112;  // heap for a storage's entry

bool is_magic(const PickleValues& values, PickleRef value) {
  return values.is(value, PickleKind::large) && values.text(value) == kMagic;
}

class LegacyStorages final : public TorchStorages {
 public:
  // The stream stands behind the object's pickle.
  LegacyStorages(PickleStream& stream, PickleValues& values, const TorchValues& torch, uint64_t limit)
      : stream_(stream), values_(values), torch_(torch), limit_(limit) {
    gather_ids();
    const PickleRef keys = read_pickle(stream, values, limit);
    if (!values.is(keys, PickleKind::list)) {
      stream.fail(stream.position(), "no list of storages before this byte", "the keys of the storages that follow");
    }
    PickleValues::Items items = values.items(keys);
    for (PickleRef key; items.next(key);) read_storage(key);
  }

  Storage find(const StorageId& id, const std::string& what, uint64_t at) override {
    const auto known = entries_.find(id.key);
    if (known == entries_.end() || !known->second.read) {
      stream_.fail(at, fmt::format("{} in storage {}, which is missing", what, in_quotes(id.key)),
                   "it behind the pickles");
    }
    const Entry& entry = known->second;
    const uint64_t item = block(id.dtype).bytes;
    if (id.elements > entry.bytes / item) {
      stream_.fail(at,
                   fmt::format("{} in a storage of {} elements of {} bytes, of which the file holds {} bytes", what,
                               id.elements, item, entry.bytes),
                   "all of them");
    }
    return {{stream_.storage().extent.file, stream_.place(entry.at) + id.part_begin * item, id.part_elements * item},
            {}};
  }

  uint64_t heap_bytes() const { return entries_.size() * kEntryBytes; }

 private:
  struct Entry {
    uint64_t item = 0;  // bytes of an element
    bool read = false;
    uint64_t at = 0, bytes = 0;  // in the stream
  };

  // The elements' sizes stand in the ids alone.
  void gather_ids() {
    for (const PickleRef persistent : values_.persistents()) {
      const std::optional<StorageId> id = torch_.storage_id(persistent, "something");
      if (!id) continue;
      const auto [entry, added] = entries_.try_emplace(id->key, Entry{block(id->dtype).bytes});
      if (!added && entry->second.item != block(id->dtype).bytes) {
        stream_.fail(values_.persistent_at(persistent),
                     fmt::format("storage {} with elements of {} and of {} bytes", in_quotes(id->key),
                                 entry->second.item, block(id->dtype).bytes),
                     "one type of elements");
      }
      if (values_.heap_bytes() + heap_bytes() > limit_) {
        stream_.fail(values_.persistent_at(persistent), fmt::format("{} storages", entries_.size()),
                     "fewer in a file of this size");
      }
    }
  }

  void read_storage(PickleRef key) {
    const uint64_t at = stream_.position();
    const std::string_view text = values_.is(key, PickleKind::text) ? values_.text(key) : std::string_view();
    const auto known = entries_.find(text);
    if (known == entries_.end() || known->second.read) {
      stream_.fail(at, fmt::format("storage {}", in_quotes(text)),
                   known == entries_.end() ? "one that the object names" : "each storage once");
    }
    Entry& entry = known->second;
    if (stream_.left() < kCountBytes)
      stream_.fail(at, "the end of the file", fmt::format("storage {}", in_quotes(text)));
    uint64_t elements = 0;
    for (unsigned byte = 0; byte < kCountBytes; ++byte) {
      elements |= static_cast<uint64_t>(stream_.next()) << (8 * byte);
    }
    if (elements > stream_.left() / entry.item) {
      stream_.fail(at, fmt::format("storage {} of {} elements of {} bytes", in_quotes(text), elements, entry.item),
                   fmt::format("at most the {} bytes that follow in the file", stream_.left()));
    }
    entry.read = true;
    entry.at = stream_.position();
    entry.bytes = elements * entry.item;
    stream_.skip(entry.bytes);
  }

  PickleStream& stream_;
  PickleValues& values_;
  const TorchValues& torch_;
  const uint64_t limit_;
  std::unordered_map<std::string_view, Entry> entries_;
};

// What a pickle by itself names lies nowhere.
class NoStorages final : public TorchStorages {
 public:
  explicit NoStorages(const PickleStream& stream) : stream_(stream) {}
  Storage find(const StorageId& id, const std::string& what, uint64_t at) override {
    stream_.fail(at, fmt::format("{} in storage {}, which lies outside of this pickle", what, in_quotes(id.key)),
                 "the whole file that torch.save wrote");
  }

 private:
  const PickleStream& stream_;
};

// The two pickles between the magic number and the object.
void read_head(PickleStream& stream, PickleValues& values, uint64_t limit) {
  const uint64_t at = stream.position();
  const PickleRef protocol = read_pickle(stream, values, limit);
  if (!values.is(protocol, PickleKind::integer) || values.integer(protocol) != kProtocol) {
    stream.fail(at, "another protocol version of torch.save", fmt::format("{}", kProtocol));
  }
  read_pickle(stream, values, limit);
}

}  // namespace

void read_torch_pickle(const File& file, Checkpoint& checkpoint) {
  const auto index = static_cast<uint32_t>(checkpoint.files.size() - 1);
  const uint64_t limit = torch_limit(file, 0);
  const Storage whole{{index, 0, file.bytes()}, {}};
  PickleStream stream(file, checkpoint, whole);
  PickleValues values;
  PickleRef root = read_pickle(stream, values, limit);
  if (!is_magic(values, root)) {
    NoStorages storages(stream);
    list_torch_tensors({stream, values, root, false, limit}, storages, checkpoint);
    return;
  }
  read_head(stream, values, limit);
  root = read_pickle(stream, values, limit);
  const TorchValues torch(stream, values, false);
  LegacyStorages storages(stream, values, torch, limit);
  const uint64_t left = stream.left(), end = stream.position();
  list_torch_tensors({stream, values, root, false, limit - storages.heap_bytes()}, storages, checkpoint);
  if (left > 0) {
    checkpoint.remarks.push_back(
        {"left-out", fmt::format("{} bytes after the checkpoint (byte {}) left out, as torch.load does", left, end),
         0});
  }
}

StoredAlone read_stored_alone(const File& file, const Storage& stretch, const Checkpoint& checkpoint,
                              const std::string& what, uint64_t limit_bytes) {
  PickleStream stream(file, checkpoint, stretch);
  PickleValues values;
  if (!is_magic(values, read_pickle(stream, values, limit_bytes))) {
    stream.fail(0, fmt::format("{} in other bytes than torch.save writes of a storage", what), "its magic number");
  }
  read_head(stream, values, limit_bytes);
  const uint64_t at = stream.position();
  const PickleRef root = read_pickle(stream, values, limit_bytes);
  const TorchValues torch(stream, values, false);
  const std::optional<StorageId> id =
      values.is(root, PickleKind::persistent) ? torch.storage_id(root, what) : std::nullopt;
  if (!id) stream.fail(at, fmt::format("{} in something else than a storage", what), "a storage");
  LegacyStorages storages(stream, values, torch, limit_bytes);
  return {storages.find(*id, what, at), id->dtype, id->part_elements};
}

}  // namespace weighbridge
