// Protocol buffers' wire format, read as fields one after the other and never held: what ONNX models are written in.
// https://protobuf.dev/programming-guides/encoding
//
// Why not generated code. It holds the whole message, with the repeated numbers unpacked two to three times over what
// the file takes; it ends at 2 GiB; and it cannot say where in the file a `bytes` field lies, which is all that mapping
// a tensor needs. Here a field of any length is a place in the file: passing over it is a seek, so that a model of many
// GiB is listed by reading a few KiB of it.
//
// What is refused: groups (wire types 3 and 4, deprecated, never in a model), field number 0, a varint of more than 64
// bits, content that leaves its message, more than 100 messages in one another (protobuf's own limit, so that no depth
// can overflow a stack). Unknown fields are passed over, as everywhere; a field asked for as what it is not is refused,
// where protobuf would take it for an unknown one and the reader would see less than the file says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "strategies/checkpoint/reader.h"

namespace weighbridge {

// A window over a file that moves. Going on costs a read per buffer, which grows from 4 to 64 KiB while nothing is
// passed over; going elsewhere costs nothing by itself. The file must outlive it.
class WireCursor {
 public:
  explicit WireCursor(const File& file);

  const File& file() const { return file_; }
  uint64_t position() const { return base_ + at_; }
  void seek(uint64_t offset);
  // The functions below read what lies before `end`, an offset in the file, and throw Error (bad_input) where it ends
  // before they do.
  uint64_t varint(uint64_t end) {
    if (at_ < filled_ && position() < end && buffer_[at_] < 0x80) return buffer_[at_++];
    return long_varint(end);
  }
  uint64_t fixed(unsigned bytes, uint64_t end);  // little-endian, 4 or 8 bytes
  // The next `bytes` bytes, which must lie in the file.
  std::string text(size_t bytes);
  // How many varints fill the stretch from here to `end`, which is passed.
  uint64_t count_varints(uint64_t end);

  static constexpr size_t kMaximumBuffer = 64 << 10;

 private:
  unsigned char byte(uint64_t end);
  void fill();
  uint64_t long_varint(uint64_t end);

  const File& file_;
  std::vector<unsigned char> buffer_;
  uint64_t base_ = 0;  // where in the file the buffer begins
  size_t at_ = 0, filled_ = 0;
  size_t next_fill_;
};

enum class WireType : uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

// A message, field by field. Keeps its place whatever was done with the cursor meanwhile, so that a message within it
// may be read or left alone. The cursor must outlive it.
class WireMessage {
 public:
  WireMessage(WireCursor& cursor, uint64_t offset, uint64_t bytes, unsigned depth = 0);

  // Goes to the next field; false at the message's end.
  bool next();

  // Of the message.
  uint64_t begin() const { return begin_; }
  uint64_t end() const { return end_; }
  // Of the field.
  uint32_t field() const { return field_; }
  WireType type() const { return type_; }
  uint64_t at() const { return at_; }                  // its tag, in the file
  uint64_t after() const { return next_; }             // the first byte behind it
  uint64_t content_at() const { return content_at_; }  // its number, or what its bytes hold
  uint64_t content_bytes() const { return next_ - content_at_; }

  // The field's value. Each throws Error (bad_input) where the field is of another type.
  uint64_t number() const;
  WireMessage message() const;
  std::string text(size_t keep = SIZE_MAX) const;  // the first `keep` bytes
  uint64_t fixed() const;                          // of 32 or 64 bits
  // Calls `take(number)` for each number of a repeated varint field, packed or not.
  template <typename Take>
  void numbers(Take&& take) const {
    if (type_ == WireType::varint) {
      take(value_);
      return;
    }
    require(WireType::bytes);
    cursor_->seek(content_at_);
    while (cursor_->position() < next_) {
      take(cursor_->varint(next_));
    }
  }

  void require(WireType type) const;
  WireCursor& cursor() const { return *cursor_; }

  static constexpr unsigned kMaximumDepth = 100;

 private:
  WireCursor* cursor_;
  uint64_t begin_, end_, next_;
  unsigned depth_;
  uint32_t field_ = 0;
  WireType type_ = WireType::varint;
  uint64_t at_ = 0, content_at_ = 0, value_ = 0;
};

}  // namespace weighbridge
