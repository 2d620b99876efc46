// The ground of the HDF5 reader: the file's structures (object headers, B-trees, heaps) as blocks of bytes that are
// read whole, and a cursor that takes their fields out with every bound checked.
//
// Addresses inside HDF5 count from the superblock, which stands after a user block, or anywhere in a .keras archive.
// Only this file turns them into offsets in the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strategies/checkpoint/reader.h"

namespace weighbridge::hdf5 {

// What of the file is HDF5, and how long its numbers are.
struct Frame {
  uint64_t base = 0;   // offset in the file of address 0
  uint64_t bytes = 0;  // from there on
  uint8_t address_bytes = 8;
  uint8_t length_bytes = 8;
};

// Takes fields out of bytes that were read. Everything is little-endian. Throws Error (bad_input) where a field leaves
// the bytes. What it reads from must outlive it.
class Cursor {
 public:
  Cursor(const File& file, const Frame& frame, std::string_view what, std::span<const unsigned char> bytes,
         uint64_t file_offset)
      : file_(&file), frame_(&frame), what_(what), bytes_(bytes), file_offset_(file_offset) {}

  uint64_t number(size_t bytes);  // at most 8
  uint8_t u8() { return static_cast<uint8_t>(number(1)); }
  uint16_t u16() { return static_cast<uint16_t>(number(2)); }
  uint32_t u32() { return static_cast<uint32_t>(number(4)); }
  uint64_t u64() { return number(8); }
  uint64_t length() { return number(frame_->length_bytes); }
  std::optional<uint64_t> address();  // nullopt: the undefined address, all ones
  void skip(uint64_t bytes) { take(bytes); }
  std::span<const unsigned char> take(uint64_t bytes);
  Cursor part(uint64_t bytes);  // a cursor over the next bytes, which are passed

  size_t left() const { return bytes_.size() - position_; }
  size_t position() const { return position_; }
  uint64_t file_offset() const { return file_offset_ + position_; }  // of the next byte, in the file
  const Frame& frame() const { return *frame_; }
  std::string_view what() const { return what_; }

  // Passes four bytes and a version; throws Error (bad_input) where they are others.
  void expect(std::string_view signature, uint8_t version);
  // Of the structure that the cursor is in.
  [[noreturn]] void fail(const std::string& found, const std::string& expected) const;

 private:
  const File* file_;
  const Frame* frame_;
  std::string_view what_;  // "an object header": names the structure in messages
  std::span<const unsigned char> bytes_;
  uint64_t file_offset_;
  size_t position_ = 0;
};

// A structure that was read whole.
class Block {
 public:
  Block(const File& file, const Frame& frame, std::string_view what, uint64_t file_offset,
        std::vector<unsigned char> bytes)
      : file_(&file), frame_(&frame), what_(what), file_offset_(file_offset), bytes_(std::move(bytes)) {}

  Cursor cursor() const& { return {*file_, *frame_, what_, bytes_, file_offset_}; }
  Cursor cursor() const&& = delete;  // which would outlive the bytes
  // The same without the checksum at its end, which is compared. Throws Error (bad_input) where it differs.
  Cursor checked() const&;
  Cursor checked() const&& = delete;
  size_t size() const { return bytes_.size(); }

 private:
  const File* file_;
  const Frame* frame_;
  std::string_view what_;
  uint64_t file_offset_;
  std::vector<unsigned char> bytes_;
};

// A structure that is to be read at another address than the one it goes by.
struct Moved {
  uint64_t address, bytes, to;
};

// Where messages of some kinds lie that several objects share: a fractal heap.
struct SharedHeap {
  uint16_t kinds = 0;  // bit i: messages of type i
  uint64_t address = 0;
};

// Reads structures. While a file is listed, all that is read together must stay in proportion to the file: a tree whose
// nodes share their children, or a thousand groups with one heap, would otherwise cost their product.
class Source {
 public:
  Source(const File& file, const Frame& frame) : file_(&file), frame_(frame) {}
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  const File& file() const { return *file_; }
  const Frame& frame() const { return frame_; }
  // From now on, reading more than this throws Error (bad_input).
  void limit(uint64_t bytes) { allowed_ = bytes; }

  // What begins in one of these is read there.
  void move(std::vector<Moved> moved);

  void share(const SharedHeap& heap) { shared_.push_back(heap); }
  const std::vector<SharedHeap>& shared() const { return shared_; }

  // Throws Error (bad_input) where the stretch leaves HDF5's part of the file, in terms of `what`: "an object header".
  Block block(std::string_view what, uint64_t address, uint64_t bytes);
  // Where an address is in the file, once it and `bytes` after it were held against the file.
  uint64_t file_offset(std::string_view what, uint64_t address, uint64_t bytes) const;

 private:
  const File* file_;
  const Frame frame_;
  uint64_t allowed_ = UINT64_MAX;
  std::vector<Moved> moved_;  // by address
  std::vector<SharedHeap> shared_;
};

// Bob Jenkins' lookup3 (hashlittle), which guards every structure of the format's later versions.
uint32_t checksum(std::span<const unsigned char> bytes);

}  // namespace weighbridge::hdf5
