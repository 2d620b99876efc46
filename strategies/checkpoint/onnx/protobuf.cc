#include "strategies/checkpoint/onnx/protobuf.h"

#include <fmt/format.h>

#include <algorithm>

#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr size_t kFirstFill = 4 << 10;
constexpr int kMaximumVarint = 10;  // bytes

std::string_view name_of(WireType type) {
  switch (type) {
    case WireType::varint:
      return "a varint";
    case WireType::fixed64:
      return "64 fixed bits";
    case WireType::bytes:
      return "bytes with their length";
    case WireType::fixed32:
      return "32 fixed bits";
  }
  return "";
}

}  // namespace

WireCursor::WireCursor(const File& file) : file_(file), next_fill_(kFirstFill) {}

void WireCursor::seek(uint64_t offset) {
  if (offset >= base_ && offset - base_ <= filled_) {
    at_ = static_cast<size_t>(offset - base_);
    return;
  }
  base_ = offset;
  at_ = filled_ = 0;
  next_fill_ = kFirstFill;
}

void WireCursor::fill() {
  base_ += at_;
  at_ = filled_ = 0;
  const auto bytes = static_cast<size_t>(std::min<uint64_t>(next_fill_, file_.bytes() - base_));
  if (buffer_.size() < bytes) buffer_.resize(bytes);
  file_.read(base_, buffer_.data(), bytes);
  filled_ = bytes;
  next_fill_ = std::min(next_fill_ * 2, kMaximumBuffer);
}

unsigned char WireCursor::byte(uint64_t end) {
  if (position() >= end) {
    throw format_error(file_.path(), position(), "the end of a message", "the rest of a number");
  }
  if (at_ == filled_) fill();
  return buffer_[at_++];
}

uint64_t WireCursor::long_varint(uint64_t end) {
  const uint64_t began = position();
  uint64_t value = 0;
  for (int i = 0; i < kMaximumVarint; ++i) {
    const uint64_t bits = byte(end);
    if (i == kMaximumVarint - 1 && bits > 1) break;
    value |= (bits & 0x7f) << 7 * i;
    if (bits < 0x80) return value;
  }
  throw format_error(file_.path(), began, "a varint of more than 64 bits", "at most 64 bits in ten bytes");
}

uint64_t WireCursor::fixed(unsigned bytes, uint64_t end) {
  uint64_t value = 0;
  for (unsigned i = 0; i < bytes; ++i) value |= static_cast<uint64_t>(byte(end)) << 8 * i;
  return value;
}

std::string WireCursor::text(size_t bytes) {
  std::string text(bytes, '\0');
  if (bytes <= kFirstFill) {
    for (char& c : text) c = static_cast<char>(byte(file_.bytes()));
  } else {
    const uint64_t from = position();
    file_.read(from, text.data(), bytes);
    seek(from + bytes);
  }
  return text;
}

uint64_t WireCursor::count_varints(uint64_t end) {
  uint64_t count = 0;
  bool ended = true;
  while (position() < end) {
    if (at_ == filled_) fill();
    const auto bytes = static_cast<size_t>(std::min<uint64_t>(filled_ - at_, end - position()));
    const auto* first = buffer_.data() + at_;
    count += static_cast<uint64_t>(std::count_if(first, first + bytes, [](unsigned char c) { return c < 0x80; }));
    ended = first[bytes - 1] < 0x80;
    at_ += bytes;
  }
  if (!ended) throw format_error(file_.path(), end, "the end of packed numbers", "the rest of the last one");
  return count;
}

WireMessage::WireMessage(WireCursor& cursor, uint64_t offset, uint64_t bytes, unsigned depth)
    : cursor_(&cursor), begin_(offset), end_(offset + bytes), next_(offset), depth_(depth) {
  const File& file = cursor.file();
  file.require(offset, bytes);
  if (depth >= kMaximumDepth) {
    throw format_error(file.path(), offset, fmt::format("more than {} messages in one another", kMaximumDepth),
                       fmt::format("at most {}, as protobuf's own readers allow", kMaximumDepth));
  }
}

bool WireMessage::next() {
  if (next_ == end_) return false;
  cursor_->seek(next_);
  at_ = next_;
  const std::string& path = cursor_->file().path();
  const uint64_t tag = cursor_->varint(end_);
  const uint64_t number = tag >> 3;
  if (number == 0 || number >= 1u << 29) {
    throw format_error(path, at_, fmt::format("the field number {}", number),
                       "a field number of protobuf, 1 to 2^29 - 1");
  }
  field_ = static_cast<uint32_t>(number);
  content_at_ = cursor_->position();
  switch (tag & 7) {
    case 0:
      type_ = WireType::varint;
      value_ = cursor_->varint(end_);
      next_ = cursor_->position();
      return true;
    case 1:
      type_ = WireType::fixed64;
      value_ = cursor_->fixed(8, end_);
      next_ = cursor_->position();
      return true;
    case 2: {
      type_ = WireType::bytes;
      const uint64_t bytes = cursor_->varint(end_);
      content_at_ = cursor_->position();
      if (bytes > end_ - content_at_) {
        throw format_error(path, at_, fmt::format("field {} of {} bytes", field_, bytes),
                           fmt::format("at most the {} bytes that are left of {}", end_ - content_at_,
                                       depth_ == 0 ? "the file" : "the message around it"));
      }
      next_ = content_at_ + bytes;
      return true;
    }
    case 5:
      type_ = WireType::fixed32;
      value_ = cursor_->fixed(4, end_);
      next_ = cursor_->position();
      return true;
    default:
      throw format_error(path, at_, fmt::format("field {} of the wire type {}", field_, tag & 7),
                         "0, 1, 2 or 5: a varint, 64 bits, bytes or 32 bits");
  }
}

void WireMessage::require(WireType type) const {
  if (type_ == type) return;
  throw format_error(cursor_->file().path(), at_, fmt::format("field {} as {}", field_, name_of(type_)), name_of(type));
}

uint64_t WireMessage::number() const {
  require(WireType::varint);
  return value_;
}

uint64_t WireMessage::fixed() const {
  if (type_ != WireType::fixed32) require(WireType::fixed64);
  return value_;
}

WireMessage WireMessage::message() const {
  require(WireType::bytes);
  return {*cursor_, content_at_, content_bytes(), depth_ + 1};
}

std::string WireMessage::text(size_t keep) const {
  require(WireType::bytes);
  cursor_->seek(content_at_);
  return cursor_->text(static_cast<size_t>(std::min<uint64_t>(keep, content_bytes())));
}

}  // namespace weighbridge
