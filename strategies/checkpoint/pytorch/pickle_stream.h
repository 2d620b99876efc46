// The bytes of a pickle, front to back: of a stretch of a file, or of a deflated zip member as it is inflated. What a
// pickle claims to hold (a text of 4 GB) is held against what is left of it before anything is done about it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/checkpoint/reader.h"
#include "strategies/checkpoint/storage/storage.h"

namespace weighbridge {

class PickleStream {
 public:
  // All arguments must outlive the stream. Throws Error (bad_input) where a plain storage leaves the file.
  PickleStream(const File& file, const Checkpoint& checkpoint, const Storage& storage);

  // The next byte, or -1 at the end.
  int next() {
    if (at_ == filled_ && !fill()) return -1;
    return buffer_[at_++];
  }
  // The same without passing it.
  int peek() {
    if (at_ == filled_ && !fill()) return -1;
    return buffer_[at_];
  }
  // `bytes` bytes, which must be left().
  void read(void* to, size_t bytes);
  void skip(uint64_t bytes);
  // Passes what is left of a deflated stream, so that its checksum is held against it.
  void finish();

  uint64_t position() const { return before_ + at_; }  // of the next byte, counted from the stream's first
  uint64_t left() const { return storage_.bytes() - position(); }

  const File& file() const { return file_; }
  const Storage& storage() const { return storage_; }
  // Where in the file position `at` is; for a deflated stream where its member's bytes begin.
  uint64_t place(uint64_t at) const { return storage_.extent.offset + (storage_.deflated ? 0 : at); }
  // "byte 21", and of what where that is not the file.
  std::string place_text(uint64_t at) const;
  [[noreturn]] void fail(uint64_t at, std::string_view found, std::string_view expected) const;

 private:
  bool fill();
  void fetch(uint64_t at, void* to, size_t bytes);

  const File& file_;
  const Storage& storage_;
  std::unique_ptr<Decoder> inflated_;  // null: the bytes lie plainly
  std::vector<unsigned char> buffer_;
  uint64_t before_ = 0;  // bytes before the buffer's first
  size_t at_ = 0, filled_ = 0;
};

}  // namespace weighbridge
