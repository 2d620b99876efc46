#include "strategies/checkpoint/hdf5/source.h"

#include <fmt/format.h>

#include <algorithm>

#include "strategies/checkpoint/format.h"
#include "strategies/error.h"

namespace weighbridge::hdf5 {

uint64_t Cursor::number(size_t bytes) {
  uint64_t value = 0;
  const auto raw = take(bytes);
  for (size_t i = bytes; i-- > 0;) value = value << 8 | raw[i];
  return value;
}

std::optional<uint64_t> Cursor::address() {
  const uint64_t value = number(frame_->address_bytes);
  const uint64_t undefined = UINT64_MAX >> (64 - 8 * frame_->address_bytes);
  if (value == undefined) return std::nullopt;
  return value;
}

std::span<const unsigned char> Cursor::take(uint64_t bytes) {
  if (bytes > left())
    fail(fmt::format("{} that ends after {} bytes", what_, bytes_.size()), fmt::format("{} more", bytes));
  const auto taken = bytes_.subspan(position_, static_cast<size_t>(bytes));
  position_ += static_cast<size_t>(bytes);
  return taken;
}

Cursor Cursor::part(uint64_t bytes) {
  const uint64_t at = file_offset();
  return {*file_, *frame_, what_, take(bytes), at};
}

void Cursor::expect(std::string_view signature, uint8_t version) {
  const auto found = take(signature.size());
  if (!std::equal(found.begin(), found.end(), signature.begin())) {
    position_ -= signature.size();
    fail(fmt::format("{} that begins with {}", what_,
                     in_quotes({reinterpret_cast<const char*>(found.data()), found.size()})),
         fmt::format("\"{}\"", signature));
  }
  if (const uint8_t is = u8(); is != version)
    fail(fmt::format("{} of version {}", what_, is), fmt::format("{}", version));
}

void Cursor::fail(const std::string& found, const std::string& expected) const {
  throw format_error(file_->path(), file_offset(), found, expected);
}

Cursor Block::checked() const& {
  constexpr size_t kChecksumBytes = 4;
  Cursor whole = cursor();
  if (bytes_.size() < kChecksumBytes) whole.fail(fmt::format("{} of {} bytes", what_, bytes_.size()), "a checksum");
  const std::span<const unsigned char> guarded(bytes_.data(), bytes_.size() - kChecksumBytes);
  const Cursor inner(*file_, *frame_, what_, guarded, file_offset_);
  whole.skip(guarded.size());
  const uint32_t stored = whole.u32(), is = checksum(guarded);
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
  return inner;  // what is damaged at random would never come further than here
#endif
  if (stored != is) {
    inner.fail(fmt::format("{} with the checksum {:08x}", what_, is),
               fmt::format("{:08x}, as it says itself: its bytes were changed", stored));
  }
  return inner;
}

uint64_t Source::file_offset(std::string_view what, uint64_t address, uint64_t bytes) const {
  if (address > frame_.bytes || bytes > frame_.bytes - address) {
    throw format_error(file_->path(), frame_.base, fmt::format("{} of {} bytes at address {}", what, bytes, address),
                       fmt::format("an end within the file's {} bytes", frame_.bytes));
  }
  return frame_.base + address;
}

void Source::move(std::vector<Moved> moved) {
  moved_ = std::move(moved);
  std::sort(moved_.begin(), moved_.end(), [](const Moved& a, const Moved& b) { return a.address < b.address; });
}

Block Source::block(std::string_view what, uint64_t address, uint64_t bytes) {
  const auto after = std::upper_bound(moved_.begin(), moved_.end(), address,
                                      [](uint64_t sought, const Moved& moved) { return sought < moved.address; });
  if (after != moved_.begin() && address - (after - 1)->address < (after - 1)->bytes) {
    address = (after - 1)->to + (address - (after - 1)->address);
  }
  const uint64_t at = file_offset(what, address, bytes);
  if (bytes > allowed_) {
    throw format_error(file_->path(), at, fmt::format("{} among structures that are part of each other", what),
                       "each structure in one place");
  }
  if (allowed_ != UINT64_MAX) allowed_ -= bytes;
  std::vector<unsigned char> read(static_cast<size_t>(bytes));
  file_->read(at, read.data(), read.size());
  return {*file_, frame_, what, at, std::move(read)};
}

uint32_t checksum(std::span<const unsigned char> bytes) {
  const auto rotated = [](uint32_t x, int by) { return x << by | x >> (32 - by); };
  uint32_t a = 0xdeadbeef + static_cast<uint32_t>(bytes.size()), b = a, c = a;
  const auto word = [&](size_t at) {
    uint32_t value = 0;
    for (size_t i = 0; i < 4 && at + i < bytes.size(); ++i) value |= uint32_t{bytes[at + i]} << (8 * i);
    return value;
  };
  size_t at = 0;
  for (; bytes.size() - at > 12; at += 12) {
    a += word(at), b += word(at + 4), c += word(at + 8);
    a -= c, a ^= rotated(c, 4), c += b;
    b -= a, b ^= rotated(a, 6), a += c;
    c -= b, c ^= rotated(b, 8), b += a;
    a -= c, a ^= rotated(c, 16), c += b;
    b -= a, b ^= rotated(a, 19), a += c;
    c -= b, c ^= rotated(b, 4), b += a;
  }
  if (at == bytes.size()) return c;  // no bytes at all
  a += word(at), b += word(at + 4), c += word(at + 8);
  c ^= b, c -= rotated(b, 14);
  a ^= c, a -= rotated(c, 11);
  b ^= a, b -= rotated(a, 25);
  c ^= b, c -= rotated(b, 16);
  a ^= c, a -= rotated(c, 4);
  b ^= a, b -= rotated(a, 14);
  c ^= b, c -= rotated(b, 24);
  return c;
}

}  // namespace weighbridge::hdf5
