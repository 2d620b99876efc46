// The zip form, which torch.save writes since 1.6: FOLDER/data.pkl describes the tensors, FOLDER/data/KEY holds a
// storage, FOLDER/byteorder says "little" or "big" (since 2.1; "little" where it is missing). torch/serialization.py,
// caffe2/serialize/inline_container.cc.
//
// torch stores members as they are and aligns them to 64 bytes, so tensors lie plainly; archives that another tool
// packed again, deflated, are inflated on the way. A storage must be as long as its id says: torch 1.13 reads past a
// shorter member without a word.
//
// CRC-32: torch.load checks none, and torch.save may be told to compute none (torch.serialization.set_crc32_options);
// it writes 0 then. So 0 means that there is nothing to check.
//
// TorchScript archives have the same form with code beside it; their data.pkl holds a module's attributes, tensors
// among them. torch.package archives keep their pickles under other names and mean code by them: refused by name.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/pytorch/pickle.h"
#include "strategies/checkpoint/pytorch/pytorch.h"
#include "strategies/checkpoint/pytorch/torch_list.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr std::string_view kPickle = "data.pkl";
// Of the archive's table and the list of checksums, for each member and each of the two times that they hold its name.
constexpr uint64_t kMemberBytes = sizeof(ZipMember) + sizeof(Checksummed) + 8, kNameBytes = 32;

class ZipStorages final : public TorchStorages {
 public:
  ZipStorages(const ZipArchive& archive, std::string folder, uint32_t index, bool big_endian,
              const PickleStream& stream, std::vector<Checksummed>& checksums)
      : archive_(archive),
        folder_(std::move(folder)),
        index_(index),
        big_endian_(big_endian),
        stream_(stream),
        checksums_(checksums),
        opened_(archive.members().size()) {
    checksums.reserve(checksums.size() + archive.members().size());
  }

  Storage find(const StorageId& id, const std::string& what, uint64_t at) override {
    const std::string name = fmt::format("{}/data/{}", folder_, id.key);
    const ZipMember* member = archive_.find(name);
    const auto fail = [&](const std::string& found, const std::string& expected) {
      stream_.fail(at, fmt::format("{} {}", what, found), expected);
    };
    if (member == nullptr) fail(fmt::format("in member {}, which is missing", in_quotes(name)), "it in the archive");
    const uint64_t item = block(id.dtype).bytes;
    if (id.elements > member->plain_bytes / item) {
      fail(fmt::format("in a storage of {} elements of {} bytes, of which member {} holds {} bytes", id.elements, item,
                       in_quotes(name), member->plain_bytes),
           "all of them");
    }
    Storage storage = open(*member);
    if (storage.deflated) {
      if (id.part_begin != 0) fail("in a part of a compressed storage", "the whole storage");
      return storage;
    }
    storage.extent.offset += id.part_begin * item;
    storage.extent.bytes = id.part_elements * item;
    return storage;
  }

  bool big_endian() const override { return big_endian_; }

 private:
  Storage open(const ZipMember& member) {
    Storage storage = archive_.storage(member, index_);
    const auto opened = opened_.begin() + (&member - archive_.members().data());
    if (!*opened && member.stored() && member.crc32 != 0) checksums_.push_back(checksum_of(member, storage));
    *opened = true;
    return storage;
  }

  const ZipArchive& archive_;
  const std::string folder_;
  const uint32_t index_;
  const bool big_endian_;
  const PickleStream& stream_;
  std::vector<Checksummed>& checksums_;
  std::vector<bool> opened_;  // by the members' index
};

bool is_big_endian(const File& file, const ZipArchive& archive, const std::string& folder, const Checkpoint& checkpoint,
                   uint32_t index) {
  const ZipMember* member = archive.find(folder + "/byteorder");
  if (member == nullptr) return false;
  constexpr uint64_t kLongest = 16;
  const Storage storage = archive.storage(*member, index);
  std::string order(static_cast<size_t>(std::min(storage.bytes(), kLongest)), '\0');
  open_storage(checkpoint, storage)->read(0, order.data(), order.size());
  if (order == "big") return true;
  if (order != "little") {
    throw format_error(file.path(), storage.extent.offset, fmt::format("the byte order {}", in_quotes(order)),
                       "\"little\" or \"big\"");
  }
  return false;
}

bool ends_in(std::string_view name, std::string_view folder_less) {
  return name.size() > folder_less.size() && name.ends_with(folder_less) &&
         name[name.size() - folder_less.size() - 1] == '/' && name.find('/') == name.size() - folder_less.size() - 1;
}

bool has_folder(const ZipArchive& archive, const std::string& folder) {
  return std::any_of(archive.members().begin(), archive.members().end(),
                     [&](const ZipMember& member) { return member.name.starts_with(folder); });
}

[[noreturn]] void refuse_foreign(const File& file, const ZipArchive& archive) {
  const auto count = [&](std::string_view name) {
    return std::count_if(archive.members().begin(), archive.members().end(),
                         [&](const ZipMember& member) { return ends_in(member.name, name); });
  };
  std::string_view what = "a zip archive without data.pkl";
  if (count(kPickle) > 1) what = "a zip archive with more than one data.pkl";
  if (count("model.json") > 0) what = "a TorchScript archive of before PyTorch 1.4";
  if (is_torch_package(archive)) what = "a torch.package archive, whose pickles mean code that it brings along";
  throw format_error(file.path(), 0, what, "a PyTorch checkpoint: torch.save(model.state_dict(), ...) writes one");
}

}  // namespace

std::string torch_folder(const ZipArchive& archive) {
  std::string folder;
  for (const ZipMember& member : archive.members()) {
    if (!ends_in(member.name, kPickle)) continue;
    // torch takes the folder of the first member; where there are two, readers may see two checkpoints.
    if (!folder.empty()) return {};
    folder = member.name.substr(0, member.name.find('/'));
  }
  return folder;
}

bool is_torch_package(const ZipArchive& archive) {
  return std::any_of(archive.members().begin(), archive.members().end(),
                     [](const ZipMember& member) { return member.name.ends_with("/.data/extern_modules"); });
}

void read_torch_zip(const File& file, Checkpoint& checkpoint) {
  const auto index = static_cast<uint32_t>(checkpoint.files.size() - 1);
  const ZipArchive archive(file);
  const std::string folder = torch_folder(archive);
  if (folder.empty() || is_torch_package(archive)) refuse_foreign(file, archive);

  uint64_t taken = 0;
  for (const ZipMember& member : archive.members()) taken += kMemberBytes + 2 * (kNameBytes + member.name.size());
  const uint64_t limit = torch_limit(file, taken);
  const ZipMember& member = *archive.find(fmt::format("{}/{}", folder, kPickle));
  const Storage storage = archive.storage(member, index);
  if (member.stored() && member.crc32 != 0) checkpoint.checksums.push_back(checksum_of(member, storage));
  const bool script = archive.find(folder + "/constants.pkl") != nullptr || has_folder(archive, folder + "/code/");

  PickleStream stream(file, checkpoint, storage);
  PickleValues values;
  const PickleRef root = read_pickle(stream, values, limit);
  stream.finish();
  ZipStorages storages(archive, folder, index, is_big_endian(file, archive, folder, checkpoint, index), stream,
                       checkpoint.checksums);
  list_torch_tensors({stream, values, root, script, limit}, storages, checkpoint);
  if (script) {
    checkpoint.remarks.push_back(
        {"torchscript",
         "this is a TorchScript archive: the tensors of its module are listed, its code and the "
         "constants in it are not",
         0});
  }
}

}  // namespace weighbridge
