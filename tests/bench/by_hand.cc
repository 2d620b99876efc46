#include "tests/bench/by_hand.h"

#include <benchmark/benchmark.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "strategies/dtype/convert.h"
#include "strategies/error.h"
#include "strategies/hash.h"
#include "tests/bench/ground.h"
#include "tests/bench/timing.h"

namespace weighbridge::bench {
namespace {

// Fresh memory of a purpose, given back with the object.
class Buffer {
 public:
  Buffer(Purpose purpose, uint64_t bytes)
      : purpose_(purpose),
        bytes_(bytes),
        start_(bytes == 0 ? nullptr : Ground::get().memory().allocate(purpose, bytes)) {}
  Buffer(Buffer&& other) noexcept
      : purpose_(other.purpose_), bytes_(other.bytes_), start_(std::exchange(other.start_, nullptr)) {}
  Buffer& operator=(Buffer&&) = delete;
  ~Buffer() {
    if (start_ != nullptr) Ground::get().memory().release(purpose_, start_, bytes_);
  }
  std::byte* data() const { return static_cast<std::byte*>(start_); }

 private:
  Purpose purpose_;
  uint64_t bytes_;
  void* start_;
};

void read_at(uint64_t offset, std::byte* to, uint64_t bytes) {
  while (bytes > 0) {
    const ssize_t got = pread(Ground::get().descriptor(), to, bytes, static_cast<off_t>(offset));
    if (got <= 0) throw system_error("pread", "the benchmark's file", got == 0 ? EIO : errno);
    offset += static_cast<uint64_t>(got);
    to += got;
    bytes -= static_cast<uint64_t>(got);
  }
}

// `data` is what lies at `origin` in the file.
void hash_native(const std::byte* data, uint64_t origin) {
  for (const Tensor& tensor : Ground::get().checkpoint().tensors) {
    benchmark::DoNotOptimize(
        tensor_hash(tensor.name, layout(tensor.dtype, tensor.shape, Target{}), data + (tensor.extent.offset - origin)));
  }
}

// Safetensors has its header first and then nothing but tensors.
uint64_t tensors_begin() {
  return Ground::get().checkpoint().tensors.front().extent.offset;
}

}  // namespace

double read_into_fresh(uint64_t piece, Use use) {
  const uint64_t begin = tensors_begin(), bytes = Ground::get().file_bytes() - begin;
  const WallWatch watch;
  {
    const Buffer target(Purpose::weights, bytes);
    for (uint64_t done = 0; done < bytes; done += piece) {
      read_at(begin + done, target.data() + done, std::min(piece, bytes - done));
    }
    if (use == Use::hash) hash_native(target.data(), begin);
  }
  return watch.seconds();
}

double read_into_reused(uint64_t piece) {
  const uint64_t begin = tensors_begin(), bytes = Ground::get().file_bytes() - begin;
  const Buffer target(Purpose::staging, piece);
  std::memset(target.data(), 1, piece);
  const WallWatch watch;
  for (uint64_t done = 0; done < bytes; done += piece)
    read_at(begin + done, target.data(), std::min(piece, bytes - done));
  return watch.seconds();
}

double map_and(Touch touch) {
  const uint64_t bytes = Ground::get().file_bytes();
  const WallWatch watch;
  void* start = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, Ground::get().descriptor(), 0);
  if (start == MAP_FAILED) throw system_error("mmap", "the benchmark's file", errno);
  const auto* data = static_cast<const std::byte*>(start);
  if (touch == Touch::hash) {
    hash_native(data, 0);
  } else {
    const uint64_t step = touch == Touch::pages ? kPageBytes : sizeof(uint64_t);
    uint64_t sum = 0;
    for (uint64_t offset = 0; offset + sizeof(uint64_t) <= bytes; offset += step) {
      uint64_t word;
      std::memcpy(&word, data + offset, sizeof word);
      sum += word;
    }
    benchmark::DoNotOptimize(sum);
  }
  munmap(start, bytes);
  return watch.seconds();
}

double convert_into_fresh(const Request& request, uint64_t chunk, Use use) {
  uint64_t source_bytes = chunk;  // a row of int8 may be longer
  for (const Layout& layout : request.layouts) source_bytes = std::max(source_bytes, layout.unit_bytes());
  const Buffer source(Purpose::staging, source_bytes);
  read_at(tensors_begin(), source.data(), source_bytes);
  const WallWatch watch;
  {
    std::vector<Buffer> weights;
    weights.reserve(request.layouts.size());
    for (const Layout& layout : request.layouts) {
      weights.emplace_back(Purpose::weights, layout.loaded_bytes);
      const uint64_t unit = layout.unit_elements();
      const uint64_t most = std::max(chunk / layout.unit_bytes(), uint64_t{1}) * unit;
      for (uint64_t first = 0; first < layout.elements; first += most) {
        const uint64_t count = std::min(most, layout.elements - first);
        if (layout.converted()) convert(layout, first, count, source.data(), weights.back().data());
      }
    }
    if (use == Use::hash) {
      for (size_t i = 0; i < weights.size(); ++i) {
        benchmark::DoNotOptimize(
            tensor_hash(request.checkpoint.tensors[i].name, request.layouts[i], weights[i].data()));
      }
    }
  }
  return watch.seconds();
}

}  // namespace weighbridge::bench
