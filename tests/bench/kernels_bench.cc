// Each conversion beside memcpy of the same bytes moved. The argument is that number: bytes read plus bytes written, so
// a conversion of f32 to f16 with 6 MiB reads 4 and writes 2, and memcpy with 6 MiB copies 3. Equal bytes_per_second
// therefore means "as fast as memory lets anyone be".
//
// Into `reused` memory, which has its pages already, and into `fresh` memory, which a load's buffers are: there the
// kernel's faults and zeroing cost more than most conversions, in both columns.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "strategies/dtype/convert.h"
#include "strategies/dtype/dtype.h"

namespace {

using weighbridge::Dtype;
using weighbridge::Layout;
using weighbridge::Target;

constexpr uint64_t kRowElements = 4096;  // of an int8 row: a usual width of a model
constexpr int64_t kSizes[] = {int64_t{768} << 10, int64_t{24} << 20, int64_t{384} << 20};

enum class Destination : uint8_t { reused, fresh };

// Anonymous pages, not yet touched.
class Pages {
 public:
  explicit Pages(size_t bytes)
      : bytes_(bytes), start_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {}
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  ~Pages() {
    if (mapped()) munmap(start_, bytes_);
  }
  bool mapped() const { return start_ != MAP_FAILED; }
  std::byte* data() const { return static_cast<std::byte*>(start_); }

 private:
  size_t bytes_;
  void* start_;
};

// Calls `work(target)` once an iteration, with a target of `bytes`; only the work is timed.
template <class Work>
void measure(benchmark::State& state, Destination destination, size_t bytes, size_t moved, Work work) {
  if (destination == Destination::reused) {
    const Pages target(bytes);
    if (!target.mapped()) return state.SkipWithError("mmap failed");
    std::memset(target.data(), 1, bytes);
    for (auto _ : state) {
      work(target.data());
      benchmark::ClobberMemory();
    }
  } else {
    for (auto _ : state) {
      state.PauseTiming();
      {
        const Pages target(bytes);
        if (!target.mapped()) return state.SkipWithError("mmap failed");
        state.ResumeTiming();
        work(target.data());
        benchmark::ClobberMemory();
        state.PauseTiming();
      }
      state.ResumeTiming();
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(moved) * state.iterations());
}

// Any bits but those of infinity, NaN and subnormals, which weights do not have.
std::vector<std::byte> weights(Dtype dtype, uint64_t elements) {
  std::mt19937 random(1);
  std::vector<std::byte> bytes(packed_bytes(dtype, elements).value());
  for (size_t i = 0; i + 4 <= bytes.size(); i += 4) {
    const uint32_t word = (random() & 0x8fff8fff) | 0x30003000;
    std::memcpy(bytes.data() + i, &word, sizeof word);
  }
  return bytes;
}

void run_convert(benchmark::State& state, Dtype stored, Dtype loaded, bool one_row, Destination destination) {
  const auto moved = static_cast<uint64_t>(state.range(0));
  const uint64_t rows =
      moved / (packed_bytes(stored, kRowElements).value() + packed_bytes(loaded, kRowElements).value());
  const std::array<uint64_t, 2> matrix = {rows, kRowElements};
  const std::array<uint64_t, 1> vector = {rows * kRowElements};
  const Layout layout = one_row ? weighbridge::layout(stored, vector, Target{loaded})
                                : weighbridge::layout(stored, matrix, Target{loaded});
  const std::vector<std::byte> source = weights(stored, layout.elements);
  measure(state, destination, layout.loaded_bytes, layout.stored_bytes + layout.loaded_bytes,
          [&](std::byte* target) { weighbridge::convert(layout, 0, layout.elements, source.data(), target); });
}

void run_memcpy(benchmark::State& state, Destination destination) {
  const auto moved = static_cast<size_t>(state.range(0));
  const std::vector<std::byte> source = weights(Dtype::f32, moved / 8);
  measure(state, destination, source.size(), 2 * source.size(),
          [&](std::byte* target) { std::memcpy(target, source.data(), source.size()); });
}

template <class Run>
void add(const std::string& name, Run run) {
  for (const auto& [destination, word] : {std::pair{Destination::reused, "reused"}, {Destination::fresh, "fresh"}}) {
    auto* benchmark = benchmark::RegisterBenchmark(
        fmt::format("{}/{}", name, word).c_str(), [run, to = destination](benchmark::State& state) { run(state, to); });
    for (const int64_t size : kSizes) benchmark->Arg(size);
  }
}

const bool registered = [] {
  add("memcpy", run_memcpy);
  for (const Dtype stored : {Dtype::f32, Dtype::f64, Dtype::f16, Dtype::bf16, Dtype::f8_e4m3, Dtype::f8_e5m2,
                             Dtype::f8_e4m3fnuz, Dtype::f8_e5m2fnuz, Dtype::q4_0, Dtype::q4_1, Dtype::q5_0, Dtype::q5_1,
                             Dtype::q8_0, Dtype::q2_k, Dtype::q3_k, Dtype::q4_k, Dtype::q5_k, Dtype::q6_k}) {
    for (const Dtype loaded :
         {Dtype::f32, Dtype::f16, Dtype::bf16, Dtype::int8, Dtype::q8_0, Dtype::q4_0, Dtype::f8_e4m3}) {
      if (stored == loaded) continue;
      add(fmt::format("convert/{}_to_{}", name(stored), name(loaded)),
          [=](benchmark::State& state, Destination to) { run_convert(state, stored, loaded, false, to); });
    }
  }
  add("convert/f32_to_int8_one_row",
      [](benchmark::State& state, Destination to) { run_convert(state, Dtype::f32, Dtype::int8, true, to); });
  return true;
}();

}  // namespace
