// Chunk indices that are arrays. A fixed array is one block of entries; an extensible array is a row of blocks that
// double in size, the first of which stand in its index block and the rest in super blocks. Large blocks of either are
// cut into pages, which are only written once something is in them.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "strategies/checkpoint/hdf5/chunk_index.h"
#include "strategies/error.h"

namespace weighbridge::hdf5 {
namespace {

constexpr uint64_t kChecksum = 4;
constexpr unsigned kMostPageBits = 16;      // libhdf5 writes pages of 2^10 entries
constexpr uint64_t kMostBytes = 16u << 20;  // of a super block: one of 2^32 chunks has 0.5 MiB

// An entry of either array. Without filters it is an address alone.
struct Entry {
  bool filtered;
  uint64_t bytes;        // of the entry itself
  uint64_t chunk_bytes;  // of a chunk without filters

  std::optional<Chunk> read(Cursor cursor) const {
    const std::optional<uint64_t> address = cursor.address();
    if (!address) return std::nullopt;
    Chunk chunk{*address, chunk_bytes, 0};
    if (filtered) {
      chunk.bytes = cursor.number(cursor.left() - 4);
      chunk.filter_mask = cursor.u32();
    }
    return chunk;
  }
};

Entry entry_of(const Cursor& at, const Dataset& dataset, uint8_t client, uint64_t bytes) {
  const bool filtered = !dataset.chunking.filters.empty();
  const uint64_t address = at.frame().address_bytes;
  const bool sane =
      filtered ? client == 1 && bytes > address + 4 && bytes <= address + 4 + 8 : client == 0 && bytes == address;
  if (!sane) {
    at.fail(fmt::format("an array of chunks of type {} with entries of {} bytes", client, bytes),
            filtered ? "entries for filtered chunks" : "entries for chunks without filters");
  }
  return {filtered, bytes, dataset.chunking.chunk_elements() * dataset.type.bytes()};
}

// Reads entries out of a block, or out of the page of it that they are in; the last one read is kept.
class EntryReader {
 public:
  explicit EntryReader(Source& source) : source_(source) {}

  // `prefix`: bytes before the entries, which the checksum guards too where they are not in pages.
  std::optional<Chunk> read(std::string_view what, uint64_t address, uint64_t prefix, uint64_t entries,
                            const Entry& entry, uint64_t index) {
    if (!block_ || address_ != address) {
      block_ = source_.block(what, address, prefix + entries * entry.bytes + kChecksum);
      address_ = address;
      block_->checked();
    }
    Cursor cursor = block_->cursor();
    cursor.skip(prefix + index * entry.bytes);
    return entry.read(cursor.part(entry.bytes));
  }

 private:
  Source& source_;
  std::optional<Block> block_;
  uint64_t address_ = 0;
};

// Pages count their bits from the highest.
bool is_set(std::span<const unsigned char> bits, uint64_t index) {
  return (bits[index / 8] & (0x80u >> index % 8)) != 0;
}

class FixedArray final : public ChunkIndex {
 public:
  FixedArray(Source& source, const Dataset& dataset) : source_(source), grid_(grid_of(dataset, 0)), reader_(source) {
    constexpr std::string_view kWhat = "the header of a fixed array";
    const uint64_t a = source.frame().address_bytes, l = source.frame().length_bytes;
    const Block header = source.block(kWhat, *dataset.chunking.address, 4 + 1 + 1 + 1 + 1 + l + a + kChecksum);
    Cursor cursor = header.checked();
    cursor.expect("FAHD", 0);
    const uint8_t client = cursor.u8();
    entry_ = entry_of(cursor, dataset, client, cursor.u8());
    const uint8_t page_bits = cursor.u8();
    entries_ = cursor.length();
    data_ = cursor.address();
    // All of a block's entries and pages are in the file, so that no count can be larger than it.
    if (page_bits > kMostPageBits || entries_ > source.frame().bytes) {
      cursor.fail(fmt::format("a fixed array of {} entries in pages of 2^{}", entries_, page_bits),
                  fmt::format("entries within the file, and pages of at most 2^{}", kMostPageBits));
    }
    page_entries_ = uint64_t{1} << page_bits;
    if (!data_ || entries_ <= page_entries_) return;
    const Block block = source.block(kData, *data_, prefix() + bitmap_bytes() + kChecksum);
    Cursor bits = block.checked();
    bits.expect("FADB", 0);
    bits.skip(prefix() - 5);
    const auto bitmap = bits.take(bitmap_bytes());
    bitmap_.assign(bitmap.begin(), bitmap.end());
  }

  std::optional<Chunk> find(std::span<const uint64_t> coordinates) override {
    const uint64_t index = grid_.index(coordinates);
    if (!data_ || index >= entries_) return std::nullopt;
    if (entries_ <= page_entries_) return reader_.read(kData, *data_, prefix(), entries_, entry_, index);
    const uint64_t page = index / page_entries_;
    if (!is_set(bitmap_, page)) return std::nullopt;
    const uint64_t pages_at = *data_ + prefix() + bitmap_bytes() + kChecksum;
    const uint64_t at = pages_at + page * (page_entries_ * entry_.bytes + kChecksum);
    const uint64_t here = std::min(page_entries_, entries_ - page * page_entries_);
    return reader_.read(kData, at, 0, here, entry_, index % page_entries_);
  }

 private:
  static constexpr std::string_view kData = "a block of a fixed array";

  uint64_t prefix() const { return 4u + 1 + 1 + source_.frame().address_bytes; }
  uint64_t bitmap_bytes() const { return ((entries_ + page_entries_ - 1) / page_entries_ + 7) / 8; }

  Source& source_;
  const ChunkGrid grid_;
  EntryReader reader_;
  Entry entry_{};
  uint64_t entries_ = 0, page_entries_ = 0;
  std::optional<uint64_t> data_;
  std::vector<unsigned char> bitmap_;
};

class ExtensibleArray final : public ChunkIndex {
 public:
  ExtensibleArray(Source& source, const Dataset& dataset)
      : source_(source), grid_(grid_of(dataset, slowest(dataset))), reader_(source) {
    constexpr std::string_view kHeader = "the header of an extensible array",
                               kIndex = "the index of an extensible array";
    const uint64_t a = source.frame().address_bytes, l = source.frame().length_bytes;
    const Block header = source.block(kHeader, *dataset.chunking.address, 4 + 1 + 1 + 6 + 6 * l + a + kChecksum);
    Cursor cursor = header.checked();
    cursor.expect("EAHD", 0);
    const uint8_t client = cursor.u8();
    entry_ = entry_of(cursor, dataset, client, cursor.u8());
    const uint8_t most_bits = cursor.u8(), in_index = cursor.u8(), smallest = cursor.u8(), pointers = cursor.u8(),
                  page_bits = cursor.u8();
    cursor.skip(6 * l);  // statistics
    const std::optional<uint64_t> index = cursor.address();
    const bool sane = most_bits <= 64 && std::has_single_bit(smallest) && std::has_single_bit(pointers) &&
                      pointers >= 2 && most_bits >= std::bit_width(smallest) && page_bits <= kMostPageBits;
    if (!sane) {
      cursor.fail(fmt::format("an extensible array of 2^{} entries, {} a block, {} pointers, pages of 2^{}", most_bits,
                              smallest, pointers, page_bits),
                  "powers of two that fit each other");
    }
    in_index_ = in_index;
    smallest_ = smallest;
    page_entries_ = uint64_t{1} << page_bits;
    offset_bytes_ = (most_bits + 7u) / 8;
    const unsigned super_blocks = 1u + most_bits - (static_cast<unsigned>(std::bit_width(smallest)) - 1);
    super_in_index_ = std::min(super_blocks, 2 * (static_cast<unsigned>(std::bit_width(pointers)) - 1));
    const uint64_t blocks_in_index = 2u * (pointers - 1u);
    if (!index) return;

    const uint64_t prefix = 4 + 1 + 1 + a;
    const Block block = source.block(
        kIndex, *index,
        prefix + in_index_ * entry_.bytes + (blocks_in_index + super_blocks - super_in_index_) * a + kChecksum);
    Cursor all = block.checked();
    all.expect("EAIB", 0);
    all.skip(prefix - 5);
    for (uint64_t i = 0; i < in_index_; ++i) entries_.push_back(entry_.read(all.part(entry_.bytes)));
    for (uint64_t i = 0; i < blocks_in_index; ++i) blocks_.push_back(all.address());
    for (unsigned i = super_in_index_; i < super_blocks; ++i) super_blocks_.push_back(all.address());
  }

  std::optional<Chunk> find(std::span<const uint64_t> coordinates) override {
    uint64_t index = grid_.index(coordinates);
    if (index < entries_.size()) return entries_[static_cast<size_t>(index)];
    constexpr uint64_t kBeyond = uint64_t{1} << 62;  // every file
    if (index >= kBeyond || index < in_index_) return std::nullopt;
    index -= in_index_;
    // Super block s stands for 2^(s/2) blocks of smallest x 2^((s+1)/2) entries each (H5EA__hdr_init).
    const auto super = static_cast<unsigned>(std::bit_width(index / smallest_ + 1)) - 1;
    const uint64_t block_entries = smallest_ << ((super + 1) / 2);
    const uint64_t inside = index - smallest_ * ((uint64_t{1} << super) - 1);
    const uint64_t block = inside / block_entries;
    if (super < super_in_index_) {
      const uint64_t before = blocks_before(super);
      if (before + block >= blocks_.size()) return std::nullopt;
      return read(blocks_[static_cast<size_t>(before + block)], block_entries, inside % block_entries, {}, 0);
    }
    if (super - super_in_index_ >= super_blocks_.size()) return std::nullopt;
    const std::optional<uint64_t> address = super_blocks_[super - super_in_index_];
    if (!address) return std::nullopt;
    open_super_block(*address, super, block_entries);
    Cursor cursor = super_block_->cursor();
    cursor.skip(prefix());
    const auto bitmap = cursor.take(bitmap_bytes(super, block_entries));
    cursor.skip(block * source_.frame().address_bytes);
    return read(cursor.address(), block_entries, inside % block_entries, bitmap,
                block * (block_entries / page_entries_));
  }

 private:
  static constexpr std::string_view kData = "a block of an extensible array";

  static size_t slowest(const Dataset& dataset) {
    const auto without_end = std::find(dataset.most.begin(), dataset.most.end(), UINT64_MAX);
    return without_end == dataset.most.end() ? 0 : static_cast<size_t>(without_end - dataset.most.begin());
  }

  // Of all super blocks before this one: the sum of 2^(s/2).
  static uint64_t blocks_before(unsigned super) {
    uint64_t blocks = 0;
    for (unsigned s = 0; s < super; ++s) blocks += uint64_t{1} << (s / 2);
    return blocks;
  }

  // Of super blocks and blocks: up to where their own differ.
  uint64_t prefix() const { return 4u + 1 + 1 + source_.frame().address_bytes + offset_bytes_; }

  // Of a super block: a bit for each page of each of its blocks.
  uint64_t bitmap_bytes(unsigned super, uint64_t block_entries) const {
    if (block_entries <= page_entries_) return 0;
    return (block_entries / page_entries_ + 7) / 8 << (super / 2);
  }

  void open_super_block(uint64_t address, unsigned super, uint64_t block_entries) {
    if (super_block_ && super_block_at_ == address) return;
    constexpr std::string_view kSuper = "a super block of an extensible array";
    const uint64_t addresses = uint64_t{source_.frame().address_bytes} << (super / 2);
    const uint64_t bytes = prefix() + bitmap_bytes(super, block_entries) + addresses + kChecksum;
    if (bytes > kMostBytes) {
      throw format_error(source_.file().path(), source_.file_offset(kSuper, address, 0),
                         fmt::format("{} of {} bytes", kSuper, bytes), fmt::format("at most {}", kMostBytes));
    }
    super_block_ = source_.block(kSuper, address, bytes);
    super_block_at_ = address;
    Cursor cursor = super_block_->checked();
    cursor.expect("EASB", 0);
  }

  // `bitmap`: which pages were written, that of the block's first page at bit `first_page`.
  std::optional<Chunk> read(std::optional<uint64_t> address, uint64_t entries, uint64_t index,
                            std::span<const unsigned char> bitmap, uint64_t first_page) {
    if (!address) return std::nullopt;
    if (entries <= page_entries_) return reader_.read(kData, *address, prefix(), entries, entry_, index);
    const uint64_t page = index / page_entries_;
    if ((first_page + page) / 8 >= bitmap.size() || !is_set(bitmap, first_page + page)) return std::nullopt;
    const uint64_t at = *address + prefix() + kChecksum + page * (page_entries_ * entry_.bytes + kChecksum);
    return reader_.read(kData, at, 0, page_entries_, entry_, index % page_entries_);
  }

  Source& source_;
  const ChunkGrid grid_;
  EntryReader reader_;
  Entry entry_{};
  uint64_t in_index_ = 0, smallest_ = 1, page_entries_ = 1, offset_bytes_ = 0;
  unsigned super_in_index_ = 0;
  std::vector<std::optional<Chunk>> entries_;
  std::vector<std::optional<uint64_t>> blocks_, super_blocks_;
  std::optional<Block> super_block_;
  uint64_t super_block_at_ = 0;
};

}  // namespace

std::unique_ptr<ChunkIndex> open_fixed_array(Source& source, const Dataset& dataset) {
  return std::make_unique<FixedArray>(source, dataset);
}

std::unique_ptr<ChunkIndex> open_extensible_array(Source& source, const Dataset& dataset) {
  return std::make_unique<ExtensibleArray>(source, dataset);
}

}  // namespace weighbridge::hdf5
