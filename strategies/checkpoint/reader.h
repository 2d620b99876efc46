// The one way in which untrusted numbers and bytes come out of a file: bounds and overflow are checked here, against
// the file's real size, and every complaint knows its file and offset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weighbridge {

// An open file; closed with the object. Move-only.
class File {
 public:
  // Opens read-only; throws Error (bad_input) where the path is missing, not a regular file or not readable.
  explicit File(std::string path);
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File();

  int descriptor() const { return descriptor_; }
  uint64_t bytes() const { return bytes_; }
  const std::string& path() const { return path_; }

  // Throws Error (bad_input) where the stretch leaves the file.
  void require(uint64_t offset, uint64_t bytes) const;
  // Reads exactly `bytes` at `offset` into `to`. Throws Error: bad_input where the file ends before, environment where
  // the kernel refuses.
  void read(uint64_t offset, void* to, size_t bytes) const;
  // A little-endian number at `offset`; throws as read does.
  uint64_t read_u64(uint64_t offset) const;
  // Up to `bytes` bytes at `offset`: fewer where the file ends before, none past its end. What detection looks at.
  std::string peek(uint64_t offset, size_t bytes) const;

 private:
  std::string path_;
  int descriptor_ = -1;
  uint64_t bytes_ = 0;
};

// A stretch of a file mapped private and read-only; unmapped with the object. Its pages are the page cache's: they can
// be reclaimed at any time. The file must not be cut while the mapping lives (SIGBUS), as with every mapping.
class Mapping {
 public:
  // Throws Error: bad_input where the stretch leaves the file, refused where the kernel does not map it. `bytes` must
  // not be 0. The file may be closed afterwards.
  Mapping(const File& file, uint64_t offset, uint64_t bytes);
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  const std::byte* data() const { return data_; }

 private:
  void* base_ = nullptr;
  size_t mapped_ = 0;
  const std::byte* data_ = nullptr;
};

// A stretch of a file, byte by byte, read through a buffer of 64 KiB; what lets a JSON header of any length be read
// without holding it. The stretch must lie within the file, and the file must outlive the stream.
class ByteStream {
 public:
  // Throws Error (bad_input) where the stretch leaves the file.
  ByteStream(const File& file, uint64_t offset, uint64_t bytes);
  // The next byte, or -1 at the end.
  int next() {
    if (at_ == filled_ && !fill()) return -1;
    ++consumed_;
    return buffer_[at_++];
  }
  // The same without passing it.
  int peek() {
    if (at_ == filled_ && !fill()) return -1;
    return buffer_[at_];
  }
  uint64_t position() const { return offset_ + consumed_; }  // of the next byte, in the file

 private:
  bool fill();

  const File& file_;
  uint64_t offset_, bytes_, consumed_ = 0;
  std::vector<unsigned char> buffer_;
  size_t at_ = 0, filled_ = 0;
};

}  // namespace weighbridge
