// What this machine can do at best when a file is in the page cache: the limits that a reader is held against. One file
// of 64 MiB, read with read() into fresh and into reused memory, and mapped and touched.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr size_t kFileBytes = size_t{64} << 20;

// Made on first use, unlinked at once: it lives as long as its descriptor, in the page cache all along.
class WarmFile {
 public:
  WarmFile() {
    const char* folder = std::getenv("TMPDIR");
    std::string path = std::string(folder != nullptr ? folder : "/tmp") + "/weighbridge-bench-XXXXXX";
    descriptor_ = mkstemp(path.data());
    if (descriptor_ < 0) return;
    unlink(path.c_str());
    std::vector<char> block(size_t{1} << 20);
    for (size_t i = 0; i < block.size(); ++i) block[i] = static_cast<char>(i * 7 + i / 4096);
    for (size_t written = 0; written < kFileBytes; written += block.size()) {
      if (write(descriptor_, block.data(), block.size()) != static_cast<ssize_t>(block.size())) {
        close(descriptor_);
        descriptor_ = -1;
        return;
      }
    }
  }
  WarmFile(const WarmFile&) = delete;
  WarmFile& operator=(const WarmFile&) = delete;
  ~WarmFile() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_ = -1;
};

int warm_file() {
  static const WarmFile file;
  return file.descriptor();
}

// Maps `bytes` of a file, or of nothing (-1), and unmaps them. nullptr where that is refused.
class Mapping {
 public:
  Mapping(int descriptor, size_t bytes)
      : bytes_(bytes),
        start_(mmap(nullptr, bytes, descriptor < 0 ? PROT_READ | PROT_WRITE : PROT_READ,
                    MAP_PRIVATE | (descriptor < 0 ? MAP_ANONYMOUS : 0), descriptor, 0)) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (start_ != MAP_FAILED) munmap(start_, bytes_);
  }
  char* data() const { return start_ == MAP_FAILED ? nullptr : static_cast<char*>(start_); }

 private:
  size_t bytes_;
  void* start_;
};

bool read_whole(int descriptor, char* target, size_t chunk) {
  for (size_t offset = 0; offset < kFileBytes;) {
    const ssize_t got =
        pread(descriptor, target + offset, std::min(chunk, kFileBytes - offset), static_cast<off_t>(offset));
    if (got <= 0) return false;
    offset += static_cast<size_t>(got);
  }
  return true;
}

void touch(const char* start) {
  uint64_t sum = 0;
  for (size_t offset = 0; offset < kFileBytes; offset += 4096) {
    uint64_t word;
    std::memcpy(&word, start + offset, sizeof word);
    sum += word;
  }
  benchmark::DoNotOptimize(sum);
}

void done(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<int64_t>(kFileBytes) * state.iterations());
}

// The argument is the bytes asked for in one call.
void read_into_reused(benchmark::State& state) {
  const int descriptor = warm_file();
  const Mapping target(-1, kFileBytes);
  if (descriptor < 0 || target.data() == nullptr) return state.SkipWithError("no temporary file, or no memory");
  std::memset(target.data(), 1, kFileBytes);
  for (auto _ : state) {
    if (!read_whole(descriptor, target.data(), static_cast<size_t>(state.range(0)))) {
      return state.SkipWithError("pread failed");
    }
  }
  done(state);
}

// With the unmapping, which a load pays sooner or later.
void read_into_fresh(benchmark::State& state) {
  const int descriptor = warm_file();
  for (auto _ : state) {
    const Mapping target(-1, kFileBytes);
    if (descriptor < 0 || target.data() == nullptr) return state.SkipWithError("no temporary file, or no memory");
    if (!read_whole(descriptor, target.data(), static_cast<size_t>(state.range(0)))) {
      return state.SkipWithError("pread failed");
    }
  }
  done(state);
}

// A word of each page is touched: the price of the faults alone.
void map_and_touch(benchmark::State& state) {
  const int descriptor = warm_file();
  for (auto _ : state) {
    if (descriptor < 0) return state.SkipWithError("no temporary file");
    const Mapping mapping(descriptor, kFileBytes);
    if (mapping.data() == nullptr) return state.SkipWithError("mmap failed");
    touch(mapping.data());
  }
  done(state);
}

BENCHMARK(read_into_reused)->Name("limit/read/reused")->Arg(1 << 20)->Arg(kFileBytes);
BENCHMARK(read_into_fresh)->Name("limit/read/fresh")->Arg(1 << 20)->Arg(kFileBytes);
BENCHMARK(map_and_touch)->Name("limit/mmap_touch");

}  // namespace
