// Numbers of either byte order and texts behind their length, out of a file from front to back.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "strategies/checkpoint/reader.h"

namespace weighbridge {

// What is read, for the message should it fail; put into words only then, as a file may have millions of texts.
struct GgufSubject {
  std::string_view what;               // "the type of tensor"
  const std::string* whose = nullptr;  // the tensor's name
  std::string text() const;            // the type of tensor "x"
};

// Throws Error (bad_input) where the file ends before what is asked for. The file must outlive the walk.
class GgufWalk {
 public:
  GgufWalk(const File& file, uint64_t at, bool big_endian) : file_(file), big_endian_(big_endian) { seek(at); }

  uint64_t position() const { return stream_->position(); }
  uint64_t left() const { return file_.bytes() - position(); }
  [[noreturn]] void fail(uint64_t at, std::string_view found, std::string_view expected) const;

  // Of 1 to 8 bytes.
  uint64_t number(unsigned bytes, GgufSubject subject);
  // The length, in 8 bytes, of something that takes `each` bytes or more apiece; refused where the file cannot hold it.
  uint64_t length(uint64_t each, GgufSubject subject);
  // A text of at most `most` bytes behind its length.
  std::string text(uint64_t most, GgufSubject subject);
  // At most left() bytes.
  void skip(uint64_t bytes);

 private:
  void seek(uint64_t at) { stream_ = std::make_unique<ByteStream>(file_, at, file_.bytes() - at); }

  const File& file_;
  const bool big_endian_;
  std::unique_ptr<ByteStream> stream_;
};

}  // namespace weighbridge
