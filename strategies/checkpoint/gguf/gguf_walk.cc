#include "strategies/checkpoint/gguf/gguf_walk.h"

#include <fmt/format.h>

#include "strategies/checkpoint/format.h"
#include "strategies/error.h"

namespace weighbridge {

std::string GgufSubject::text() const {
  return whose == nullptr ? std::string(what) : fmt::format("{} {}", what, in_quotes(*whose));
}

void GgufWalk::fail(uint64_t at, std::string_view found, std::string_view expected) const {
  throw format_error(file_.path(), at, found, expected);
}

uint64_t GgufWalk::number(unsigned bytes, GgufSubject subject) {
  if (left() < bytes) fail(position(), "the end of the file", subject.text());
  uint64_t value = 0;
  for (unsigned i = 0; i < bytes; ++i) {
    const auto byte = static_cast<uint64_t>(stream_->next());
    value = big_endian_ ? value << 8 | byte : value | byte << (8 * i);
  }
  return value;
}

uint64_t GgufWalk::length(uint64_t each, GgufSubject subject) {
  const uint64_t at = position();
  const uint64_t count = number(8, subject);
  if (count > left() / each) {
    fail(at, fmt::format("{} of the length {}", subject.text(), count),
         fmt::format("one that the {} bytes behind it can hold", left()));
  }
  return count;
}

std::string GgufWalk::text(uint64_t most, GgufSubject subject) {
  const uint64_t at = position();
  const uint64_t bytes = length(1, subject);
  if (bytes > most) fail(at, fmt::format("{} of {} bytes", subject.text(), bytes), fmt::format("at most {}", most));
  std::string result(static_cast<size_t>(bytes), '\0');
  for (char& byte : result) byte = static_cast<char>(stream_->next());
  return result;
}

void GgufWalk::skip(uint64_t bytes) {
  constexpr uint64_t kFar = 64 << 10;  // as much as the stream reads ahead
  if (bytes >= kFar) return seek(position() + bytes);
  for (; bytes > 0; --bytes) stream_->next();
}

}  // namespace weighbridge
