// A file beside a checkpoint with its tensors as a dtype wants them: converted once, mapped ever after.
//
// It holds every tensor that cannot be viewed in the checkpoint itself (one that is converted, or encoded), at places
// that follow from the request alone, behind a header of one page. It appears under its name only when it is whole and
// on the disk (OutputFile), so that a torn one cannot be met.
//
// When may it be trusted? Its header names
//   - the layout: every tensor's name, dtype, shape and place, the target, and the rules of conversion;
//   - the stamps of the checkpoint's files (device, inode, size, times of change, as stat tells them) when it was made;
//   - a 128-bit hash (XXH3) of all bytes of the checkpoint's files.
// Another layout is another checkpoint, or an older program's: stale. The same stamps prove the content, as no user can
// set a file's ctime, if the files were at rest when they were stamped: a change within the clock's grain would not
// show, so stamps of files that had changed in the second before prove nothing. Where stamps prove nothing (the files
// were copied, touched, or are that young) the content is hashed, which reads the checkpoint once, and equal content is
// stamped anew. Only a file of this user is looked at: what stands in a shared folder under the name could be
// anybody's.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "strategies/checkpoint/reader.h"
#include "strategies/output_file.h"
#include "strategies/strategy.h"

namespace weighbridge {

class Sidecar {
 public:
  // Where it would lie in `folder`. Touches no file. The request must outlive it.
  Sidecar(const Request& request, const std::string& folder);

  const std::string& path() const { return path_; }
  uint64_t bytes() const { return bytes_; }  // of the whole file
  // Of a tensor's delivered bytes in the file; nullopt where it is viewed in the checkpoint, or shares another's.
  std::optional<uint64_t> offset(uint32_t tensor) const;
  bool empty() const { return bytes_ == kHeaderBytes; }

  // The file, where it holds what the checkpoint does: proven by its stamps, else by content where `read_content` is
  // given, which is told of every piece that was read. Throws Error where the checkpoint cannot be read.
  using Told = std::function<void(uint64_t bytes)>;
  std::optional<File> find(const Told* read_content) const;

  class Making;  // a sidecar on its way
  // A file of its own, with room for all of it. Makes the folder where it is missing. Throws Error: environment where
  // there is no room, or where the folder lies in memory, which is what a sidecar is to save.
  Making begin(const Told& read_content) const;
  // With every tensor in its place: writes the header, syncs, and lets the file appear under its name. Throws Error
  // (bad_input) where the checkpoint changed since begin().
  void finish(Making& making, const Told& read_content) const;

  static constexpr uint64_t kHeaderBytes = 4096;
  static constexpr uint64_t kBufferBytes = 256 << 10;  // heap, while content is read

 private:
  struct Digest {
    uint64_t low = 0, high = 0;
    bool operator==(const Digest&) const = default;
  };
  struct Stamps {
    Digest digest;
    bool at_rest = false;
  };
  struct Header;

  Stamps stamps() const;
  Digest content(const Told& read) const;
  Digest layout_digest() const;
  Header header(const Stamps& stamps, const Digest& content) const;

  const Request& request_;
  std::string folder_, path_;
  std::vector<uint64_t> offsets_;  // by tensor; 0: none
  uint64_t bytes_ = kHeaderBytes;
  Digest layout_;
};

class Sidecar::Making {
 public:
  int descriptor() const { return file_.descriptor(); }

 private:
  friend class Sidecar;
  Making(OutputFile file, Stamps stamps, std::optional<Digest> content)
      : file_(std::move(file)), stamps_(stamps), content_(content) {}
  OutputFile file_;
  Stamps stamps_;                  // of the checkpoint's files at the beginning
  std::optional<Digest> content_;  // then, where stamps prove nothing
};

}  // namespace weighbridge
