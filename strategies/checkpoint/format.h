// Internal to this folder: what a checkpoint format is to open.cc. Adding one is a file that defines a Format and a
// line in registry.cc.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/checkpoint/reader.h"

namespace weighbridge {

struct Format {
  FormatInfo info;
  // What its file names end in, the commonest first. A file is taken for what its content says; only a file that no
  // format recognises is taken for what its name says, so that the reader can tell what is wrong with it.
  std::span<const std::string_view> suffixes;
  // Whether the file begins as this format does: a few reads, no promise that the rest holds. Must not throw for a
  // short or foreign file.
  bool (*recognises)(const File& file);
  // Appends the file's tensors to `checkpoint.tensors`, with `checkpoint.files.size() - 1` as their file: the caller
  // has entered it. Further files that the first one names (splits, external data) are entered by `read` itself, once
  // require_inside has let them pass. Throws Error (bad_input) where the file does not hold what it must.
  void (*read)(const File& file, Checkpoint& checkpoint);
};

inline constexpr std::string_view kIndexSuffix = ".index.json";  // of the index that joins a set of files

extern const Format kSafetensors;
extern const Format kPytorch;
extern const Format kNumpy;
extern const Format kHdf5;
extern const Format kOnnx;
extern const Format kGguf;

// The registry: registry.cc.
std::span<const Format* const> all_formats();
// The format that a file's content has, else the one that its name promises. Throws Error (bad_input) where neither
// says anything.
const Format& format_of(const File& file);

// Reads the set of files that an index (*.index.json) names: shard_index.cc.
void read_shard_index(const File& index, Checkpoint& checkpoint);

// Opens a file as one of `format`, whatever it begins with: open_checkpoint without its choice, so that a fuzzer spends
// no input on it.
Checkpoint open_as(const Format& format, const std::string& path);

bool named_as(const Format& format, std::string_view path);

// The file in a folder that is its checkpoint: folder.cc. Throws Error (bad_input) where there is none or no way to
// tell.
struct FolderEntry {
  std::string name;
  std::string others;  // checkpoints and indices in it that were not taken, for a person; empty: none
};
FolderEntry entry_of(const std::string& folder);

// Throws Error (bad_input) where `path`, a file that the checkpoint itself names (a shard, an entry of a folder), leads
// out of `folder` through a symlink. The rule: its real path lies inside the folder's real path. One layout that tools
// make lives of links and is let through: in the Hugging Face hub cache, where the folder is REPO/snapshots/REVISION
// (or below), the real path may lie in REPO/blobs. A path that the user named is the user's own choice and not checked.
void require_inside(const std::string& folder, const std::string& path);

}  // namespace weighbridge
