#include "tests/strategies/checkpoint/fuzz.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "strategies/checkpoint/tensor_reader.h"
#include "strategies/error.h"

// GCC has the sanitizer but not this header.
#if __has_include(<sanitizer/allocator_interface.h>) && defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/allocator_interface.h>
#define WEIGHBRIDGE_WATCHES_HEAP 1
#endif
#endif

namespace weighbridge::testing {
namespace {

constexpr uint64_t kHeapRoom = 64u << 20;
constexpr size_t kPiece = 64u << 10;        // of a tensor, read at once
constexpr uint64_t kReadAtMost = 4u << 20;  // of all tensors, so that no input takes long
constexpr size_t kReadAgain = 64;           // bytes

void require(bool holds, std::string_view rule) {
  if (holds) return;
  fmt::print(stderr, "broken: {}\n", rule);
  std::abort();
}

// What the heap holds and held at the most, in bytes asked for; stays 0 without a sanitizer.
std::atomic<int64_t> heap_now{0}, heap_peak{0};

#ifdef WEIGHBRIDGE_WATCHES_HEAP
void allocated(const volatile void*, size_t bytes) {
  const int64_t now = heap_now += static_cast<int64_t>(bytes);
  if (now > heap_peak) heap_peak = now;
}
void freed(const volatile void* block) {
  heap_now -= static_cast<int64_t>(__sanitizer_get_allocated_size(block));
}
void watch_heap() {
  static const int installed = __sanitizer_install_malloc_and_free_hooks(allocated, freed);
  require(installed != 0, "the sanitizer takes hooks");
  heap_peak = heap_now.load();
}
#else
void watch_heap() {}
#endif

void check_table(const Checkpoint& checkpoint, uint64_t file_bytes) {
  const auto lies_within = [&](const Extent& extent) {
    return extent.file < checkpoint.files.size() && extent.offset <= checkpoint.files[extent.file].bytes &&
           extent.bytes <= checkpoint.files[extent.file].bytes - extent.offset;
  };
  for (size_t i = 0; i < checkpoint.tensors.size(); ++i) {
    const Tensor& tensor = checkpoint.tensors[i];
    const auto elements = element_count(tensor.shape);
    require(elements && packed_bytes(tensor.dtype, *elements), "a tensor has a size");
    require(lies_within(tensor.extent), "a tensor's extent lies within its file");
    if (tensor.plain()) {
      require(tensor.extent.bytes == tensor.bytes(), "a plain tensor's extent is its elements");
    } else {
      require(tensor.encoding->decoder_bytes() <= file_bytes + kHeapRoom, "a decoder is bounded");
      require(!tensor.encoding->reason().empty(), "an encoding says why");
    }
    if (tensor.same_as == Tensor::kItself) continue;
    require(tensor.same_as < i, "the tensor whose elements are shared comes first");
    require(checkpoint.tensors[tensor.same_as].bytes() == tensor.bytes(),
            "tensors that share elements are of one size");
  }
  for (const Checksummed& checked : checkpoint.checksums) {
    require(lies_within(checked.extent), "a checksum guards bytes within its file");
  }
  for (const Remark& remark : checkpoint.remarks) {
    require(!remark.id.empty() && remark.text.find('\n') == std::string::npos, "a remark is one sentence");
  }
}

void check_tiling(const Checkpoint& checkpoint, uint64_t file_bytes) {
  uint64_t reached = checkpoint.tensors.empty() ? file_bytes : checkpoint.tensors.front().extent.offset;
  for (const Tensor& tensor : checkpoint.tensors) {
    require(tensor.plain() && tensor.extent.offset == reached, "the tensors of a safetensors file follow one another");
    reached += tensor.extent.bytes;
  }
  require(reached == file_bytes, "the tensors of a safetensors file end with it");
}

void read_tensors(const Checkpoint& checkpoint) {
  TensorReader reader(checkpoint);
  std::vector<unsigned char> piece(kPiece), first;
  uint64_t left = kReadAtMost;
  for (uint32_t i = 0; i < checkpoint.tensors.size() && left > 0; ++i) {
    const uint64_t bytes = std::min(checkpoint.tensors[i].bytes(), left);
    left -= bytes;
    for (uint64_t at = 0; at < bytes;) {
      const auto count = static_cast<size_t>(std::min<uint64_t>(kPiece, bytes - at));
      reader.read(i, at, piece.data(), count);
      if (at == 0) {
        first.assign(piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(std::min(count, kReadAgain)));
      }
      at += count;
    }
    if (bytes == 0 || checkpoint.tensors[i].plain()) continue;
    reader.read(i, 0, piece.data(), first.size());
    require(std::equal(first.begin(), first.end(), piece.begin()), "an element read again is the same");
  }
}

}  // namespace

void check_input(const Format* format, std::span<const uint8_t> bytes) {
  static const int descriptor = ::memfd_create("input", MFD_CLOEXEC);
  require(descriptor >= 0 && ::ftruncate(descriptor, 0) == 0 &&
              ::pwrite(descriptor, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()),
          "the input can be written");
  const std::string path = fmt::format("/proc/self/fd/{}", descriptor);
  watch_heap();
  const int64_t before = heap_now;
  {
    const File file(path);
    for (const Format* each : all_formats()) each->recognises(file);
  }
  try {
    const Checkpoint checkpoint = format != nullptr ? open_as(*format, path) : open_checkpoint(path);
    check_table(checkpoint, bytes.size());
    if (checkpoint.format == "safetensors" && checkpoint.files.size() == 1) check_tiling(checkpoint, bytes.size());
    verify_checksums(checkpoint);
    read_tensors(checkpoint);
  } catch (const Error& error) {
    const std::string said = error.what();
    if (error.kind() != ErrorKind::bad_input) fmt::print(stderr, "said: {}\n", said);
    require(error.kind() == ErrorKind::bad_input, "what is wrong with a file is bad input");
    require(std::none_of(said.begin(), said.end(), [](char c) { return c >= 0 && c < 0x20; }), "an error is one line");
  }
  require(heap_peak - before <= static_cast<int64_t>(bytes.size() + kHeapRoom),
          "the heap stays below the file's size and 64 MiB");
}

}  // namespace weighbridge::testing
