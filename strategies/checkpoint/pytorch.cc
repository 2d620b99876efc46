// PyTorch: what torch.save writes (.pt, .pth, .bin, .ckpt, .pkl), in the zip form of today or the old form of a stream
// of pickles, and pickles of tensors by themselves.
//
// All of them describe tensors by a pickle, which is a program that Python runs to load it. Here it is read and not run
// (pickle.h), the few calls that mean a tensor are understood (torch_tensor.h), and everything else that it asks for is
// told to the person (torch_remarks.h).
#include <fmt/format.h>

#include <array>
#include <string>
#include <string_view>

#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/pytorch/pickle.h"
#include "strategies/checkpoint/pytorch/pytorch.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

// torch before 0.1.10 wrote a tar archive of these.
constexpr std::array<std::string_view, 4> kTarMembers{"sys_info", "pickle", "tensors", "storages"};

bool is_torch_tar(const File& file) {
  constexpr uint64_t kMagicAt = 257;
  constexpr size_t kNameBytes = 100;
  if (file.peek(kMagicAt, 5) != "ustar") return false;
  const std::string header = file.peek(0, kNameBytes);
  std::string_view name = std::string_view(header).substr(0, header.find('\0'));
  if (name.starts_with("./")) name.remove_prefix(2);
  for (const std::string_view member : kTarMembers) {
    if (name == member) return true;
  }
  return false;
}

// The first opcodes of protocols 0 and 1, which have no mark of their own.
bool may_be_old_pickle(const std::string& start) {
  constexpr std::string_view kFirst = "(NIJKLMFGSTUVXc])}l";
  return !start.empty() && kFirst.find(start[0]) != std::string_view::npos;
}

bool recognises(const File& file) {
  if (begins_as_pickle(file.peek(0, 3)) || is_torch_tar(file)) return true;
  return is_zip_with(
      file, [](const ZipArchive& archive) { return !torch_folder(archive).empty() || is_torch_package(archive); });
}

void read(const File& file, Checkpoint& checkpoint) {
  const std::string start = file.peek(0, 3);
  if (begins_as_zip(file)) return read_torch_zip(file, checkpoint);
  if (begins_as_pickle(start) || may_be_old_pickle(start)) return read_torch_pickle(file, checkpoint);
  throw format_error(file.path(), 0,
                     file.bytes() == 0    ? "an empty file"
                     : is_torch_tar(file) ? "a tar archive, as torch before 0.1.10 wrote it"
                                          : "content that is neither a zip archive nor a pickle",
                     "a PyTorch checkpoint: a zip archive or a stream of pickles");
}

constexpr std::string_view kSuffixes[] = {".pt", ".pth", ".bin", ".ckpt", ".ptl", ".pkl", ".pickle"};

}  // namespace

const Format kPytorch{
    .info = {"pytorch", "what torch.save writes, zip archive or stream of pickles; nothing in it is run"},
    .suffixes = kSuffixes,
    .recognises = recognises,
    .read = read,
};

}  // namespace weighbridge
