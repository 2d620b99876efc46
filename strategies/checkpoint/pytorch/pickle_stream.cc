#include "strategies/checkpoint/pytorch/pickle_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "strategies/checkpoint/format.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr size_t kBuffer = 64 << 10;

}  // namespace

PickleStream::PickleStream(const File& file, const Checkpoint& checkpoint, const Storage& storage)
    : file_(file), storage_(storage) {
  file.require(storage.extent.offset, storage.extent.bytes);
  if (storage.deflated) inflated_ = open_storage(checkpoint, storage);
  buffer_.resize(static_cast<size_t>(std::min<uint64_t>(storage.bytes(), kBuffer)));
}

void PickleStream::fetch(uint64_t at, void* to, size_t bytes) {
  if (inflated_) {
    inflated_->read(at, to, bytes);
  } else {
    file_.read(storage_.extent.offset + at, to, bytes);
  }
}

bool PickleStream::fill() {
  before_ += filled_;
  at_ = filled_ = 0;
  const size_t bytes = static_cast<size_t>(std::min<uint64_t>(left(), buffer_.size()));
  if (bytes == 0) return false;
  fetch(before_, buffer_.data(), bytes);
  filled_ = bytes;
  return true;
}

void PickleStream::read(void* to, size_t bytes) {
  auto* target = static_cast<unsigned char*>(to);
  while (bytes > 0 && (at_ < filled_ || fill())) {
    const size_t part = std::min(bytes, filled_ - at_);
    std::memcpy(target, buffer_.data() + at_, part);
    at_ += part;
    target += part;
    bytes -= part;
  }
}

void PickleStream::skip(uint64_t bytes) {
  const uint64_t to = position() + bytes;
  if (to <= before_ + filled_) {
    at_ = static_cast<size_t>(to - before_);
    return;
  }
  before_ = to;  // a decoder reads what it passes over by itself
  at_ = filled_ = 0;
}

void PickleStream::finish() {
  if (!inflated_ || left() == 0) return;
  skip(left() - 1);
  next();
}

std::string PickleStream::place_text(uint64_t at) const {
  if (!storage_.deflated) return fmt::format("byte {}", place(at));
  return fmt::format("byte {} of the inflated {}", at, in_quotes(storage_.deflated->member));
}

void PickleStream::fail(uint64_t at, std::string_view found, std::string_view expected) const {
  if (!storage_.deflated) throw format_error(file_.path(), place(at), found, expected);
  throw format_error(file_.path(), place(at), fmt::format("{} at {}", found, place_text(at)), expected);
}

}  // namespace weighbridge
