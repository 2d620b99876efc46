#include "strategies/checkpoint/tensor_reader.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <vector>

#include "strategies/error.h"

namespace weighbridge {
namespace {

void verify(const File& file, const Checksummed& checked) {
  constexpr size_t kChunkBytes = 1u << 20;
  std::vector<unsigned char> chunk(static_cast<size_t>(std::min<uint64_t>(kChunkBytes, checked.extent.bytes)));
  uLong crc = crc32(0, nullptr, 0);
  for (uint64_t done = 0; done < checked.extent.bytes;) {
    const auto bytes = static_cast<size_t>(std::min<uint64_t>(chunk.size(), checked.extent.bytes - done));
    file.read(checked.extent.offset + done, chunk.data(), bytes);
    crc = crc32(crc, chunk.data(), static_cast<uInt>(bytes));
    done += bytes;
  }
  if (crc != checked.crc32) {
    throw format_error(file.path(), checked.extent.offset, fmt::format("{} with the CRC-32 {:08x}", checked.what, crc),
                       fmt::format("{:08x}, as the file says: its bytes were changed", checked.crc32));
  }
}

bool overlap(const Extent& a, const Extent& b) {
  return a.file == b.file && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

}  // namespace

File open_again(const CheckpointFile& wanted) {
  File file(wanted.path);
  if (file.bytes() != wanted.bytes) {
    throw format_error(wanted.path, 0, fmt::format("a file of {} bytes", file.bytes()),
                       fmt::format("{} bytes, as when it was opened first", wanted.bytes));
  }
  return file;
}

const File& TensorReader::file(uint32_t index) {
  if (!file_ || file_index_ != index) {
    file_.emplace(open_again(checkpoint_.files.at(index)));
    file_index_ = index;
  }
  return *file_;
}

void TensorReader::read(uint32_t index, uint64_t begin, void* to, size_t bytes) {
  const Tensor& tensor = checkpoint_.tensors.at(index);
  if (bytes == 0) return;
  if (tensor.plain()) {
    file(tensor.extent.file).read(tensor.extent.offset + begin, to, bytes);
    return;
  }
  if (decoder_ == nullptr || decoded_ != index) {
    decoder_.reset();  // before the next one takes memory
    decoder_ = tensor.encoding->open(checkpoint_, tensor);
    decoded_ = index;
  }
  auto decoder = std::move(decoder_);  // one that throws is not used again
  decoder->read(begin, to, bytes);
  if (begin + bytes != tensor.bytes()) decoder_ = std::move(decoder);
}

void TensorReader::close() {
  decoder_.reset();
  file_.reset();
}

void verify_checksums(const Checkpoint& checkpoint) {
  TensorReader reader(checkpoint);
  for (const Checksummed& checked : checkpoint.checksums) verify(reader.file(checked.extent.file), checked);
}

void verify_checksums(const Checkpoint& checkpoint, const Tensor& tensor) {
  constexpr uint64_t kMostTimes = 10;  // the tensor's own bytes, to read for it
  TensorReader reader(checkpoint);
  for (const Checksummed& checked : checkpoint.checksums) {
    if (overlap(checked.extent, tensor.extent) && checked.extent.bytes / kMostTimes <= tensor.extent.bytes) {
      verify(reader.file(checked.extent.file), checked);
    }
  }
}

}  // namespace weighbridge
