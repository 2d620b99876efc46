#include "strategies/checkpoint/hdf5/fractal_heap.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace weighbridge::hdf5 {
namespace {

constexpr std::string_view kHeader = "the header of a fractal heap", kTable = "a table of a fractal heap",
                           kBlock = "a block of a fractal heap";
constexpr uint64_t kChecksum = 4;
constexpr unsigned kMostBits = 56;  // libhdf5 writes 32 and 40

}  // namespace

FractalHeap::FractalHeap(Source& source, uint64_t address) : source_(source) {
  const uint64_t a = source.frame().address_bytes, l = source.frame().length_bytes;
  const uint64_t bytes = 4 + 1 + 2 + 2 + 1 + 4 + l + a + l + a + 4 * l + 4 * l + 2 + l + l + 2 + 2 + a + 2 + kChecksum;
  const Block header = source.block(kHeader, address, bytes);
  Cursor cursor = header.cursor();
  cursor.expect("FRHP", 0);
  id_bytes_ = cursor.u16();
  if (const uint16_t filters = cursor.u16(); filters != 0) {
    cursor.fail("a fractal heap that passes through filters", "one as it is");
  }
  header.checked();  // with filters it would be longer
  const uint8_t flags = cursor.u8();
  constexpr uint8_t kChecksums = 2;
  checksums_ = (flags & kChecksums) != 0;
  const uint32_t largest_managed = cursor.u32();
  cursor.skip(l + a + l + a + 4 * l + 4 * l);  // huge and tiny objects, free space, statistics
  width_ = cursor.u16();
  first_bytes_ = cursor.length();
  largest_direct_ = cursor.length();
  heap_bits_ = cursor.u16();
  cursor.skip(2);  // rows that a root begins with
  root_ = cursor.address();
  root_rows_ = cursor.u16();

  const bool sane = std::has_single_bit(width_) && std::has_single_bit(first_bytes_) &&
                    std::has_single_bit(largest_direct_) && first_bytes_ <= largest_direct_ &&
                    heap_bits_ <= kMostBits && std::bit_width(largest_direct_) - 1 <= heap_bits_;
  if (!sane) {
    cursor.fail(fmt::format("a fractal heap of {} x {} to {} bytes in {} bits", width_, first_bytes_, largest_direct_,
                            heap_bits_),
                "powers of two that its bits hold");
  }
  const unsigned first_bits = static_cast<unsigned>(std::bit_width(first_bytes_)) - 1;
  const unsigned largest_bits = static_cast<unsigned>(std::bit_width(largest_direct_)) - 1;
  const unsigned width_bits = static_cast<unsigned>(std::bit_width(width_)) - 1;
  direct_rows_ = largest_bits - first_bits + 2;
  // All rows together fill the heap's bits: H5HF__dtable_init.
  const unsigned most_rows = heap_bits_ < first_bits + width_bits ? 0 : heap_bits_ - first_bits - width_bits + 1;
  if (root_rows_ > most_rows) {
    cursor.fail(fmt::format("a fractal heap of {} rows", root_rows_), fmt::format("at most {}", most_rows));
  }
  offset_bytes_ = (heap_bits_ + 7u) / 8;
  const size_t managed_bytes =
      largest_managed == 0 ? 1 : (static_cast<size_t>(std::bit_width(largest_managed)) - 1) / 8 + 1;
  count_bytes_ = std::min<size_t>((largest_bits + 7) / 8, managed_bytes);
}

void FractalHeap::want(Cursor id) {
  const uint8_t kind = id.u8();
  if ((kind & 0xf0) != 0) {  // version 0, managed
    id.fail(fmt::format("an object of kind {:02x} in a fractal heap", kind), "one inside its blocks");
  }
  const uint64_t offset = id.number(offset_bytes_);
  wanted_.push_back({offset, id.number(count_bytes_)});
}

void FractalHeap::read(const std::function<void(Cursor)>& visit) {
  std::sort(wanted_.begin(), wanted_.end(), [](const Wanted& a, const Wanted& b) { return a.offset < b.offset; });
  std::optional<DirectBlock> current;
  for (const Wanted& wanted : wanted_) {
    if (!current || wanted.offset - current->begin >= current->bytes) current = find_block(wanted.offset);
    Cursor cursor = current->block.cursor();
    cursor.skip(wanted.offset - current->begin);
    visit(cursor.part(wanted.bytes));
  }
  wanted_.clear();
}

uint64_t FractalHeap::row_bytes(unsigned row) const {
  return row < 2 ? first_bytes_ : first_bytes_ << (row - 1);
}

uint64_t FractalHeap::row_offset(unsigned row) const {
  return row == 0 ? 0 : width_ * row_bytes(row);
}

FractalHeap::DirectBlock FractalHeap::find_block(uint64_t offset) {
  const Block none(source_.file(), source_.frame(), kHeader, source_.frame().base, {});
  const auto missing = [&] {
    none.cursor().fail(fmt::format("an object at byte {} of a fractal heap", offset), "an offset within its blocks");
  };
  if (!root_) missing();
  if (root_rows_ == 0) return read_direct(*root_, 0, first_bytes_);
  uint64_t address = *root_, begin = 0;
  for (unsigned rows = root_rows_;;) {
    const uint64_t a = source_.frame().address_bytes;
    const uint64_t prefix = 4 + 1 + a + offset_bytes_;
    const Block table = source_.block(kTable, address, prefix + uint64_t{rows} * width_ * a + kChecksum);
    Cursor cursor = table.checked();
    cursor.expect("FHIB", 0);
    const uint64_t inside = offset - begin;
    unsigned row = 0;
    while (row < rows && inside - row_offset(row) >= width_ * row_bytes(row)) ++row;
    if (row == rows) missing();
    const uint64_t column = (inside - row_offset(row)) / row_bytes(row);
    cursor.skip(prefix - 5 + (row * uint64_t{width_} + column) * a);
    const std::optional<uint64_t> child = cursor.address();
    if (!child) missing();
    begin += row_offset(row) + column * row_bytes(row);
    if (row < direct_rows_) return read_direct(*child, begin, row_bytes(row));
    // A table within a table has the rows that fill its place, fewer than this one.
    if (row_bytes(row) < first_bytes_ * width_) missing();
    address = *child;
    rows = static_cast<unsigned>(std::bit_width(row_bytes(row)) - std::bit_width(first_bytes_ * width_)) + 1;
  }
}

FractalHeap::DirectBlock FractalHeap::read_direct(uint64_t address, uint64_t begin, uint64_t bytes) {
  Block block = source_.block(kBlock, address, bytes);
  Cursor cursor = block.cursor();
  cursor.expect("FHDB", 0);
  cursor.address();
  if (const uint64_t offset = cursor.number(offset_bytes_); offset != begin) {
    cursor.fail(fmt::format("a block for byte {} of a fractal heap", offset), fmt::format("byte {}", begin));
  }
  if (checksums_) {
    const size_t at = cursor.position();
    const uint32_t stored = cursor.u32();
    Cursor whole = block.cursor();
    const auto raw = whole.take(bytes);
    std::vector<unsigned char> without(raw.begin(), raw.end());
    std::fill_n(without.begin() + static_cast<std::ptrdiff_t>(at), kChecksum, static_cast<unsigned char>(0));
    if (const uint32_t is = checksum(without); is != stored) {
      cursor.fail(fmt::format("a block of a fractal heap with the checksum {:08x}", is),
                  fmt::format("{:08x}, as it says itself: its bytes were changed", stored));
    }
  }
  return {begin, bytes, std::move(block)};
}

}  // namespace weighbridge::hdf5
