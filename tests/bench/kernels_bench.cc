// Each conversion beside memcpy of the same bytes moved: bytes read plus bytes written, so a conversion of f32 to f16
// with 6 MiB reads 4 and writes 2, and memcpy with 6 MiB copies 3. Equal bytes_per_second therefore means "as fast as
// memory lets anyone be".
//
// Into `reused` memory, which has its pages already, and into `fresh` memory, which a load's buffers are: there the
// kernel's faults and zeroing cost more than most conversions, in both columns.
//
// 24 MiB fit an L3 cache, 384 fit none, as weights do: there the bars hold. 768 KiB stay in a core's L2, where memcpy
// moves 270 GB/s and the arithmetic shows; no weights are ever there, so that row has no bar and is for work on a
// kernel.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "reports/units.h"
#include "strategies/dtype/convert.h"
#include "strategies/dtype/dtype.h"
#include "strategies/error.h"
#include "tests/bench/cases.h"
#include "tests/bench/rows.h"
#include "tests/bench/timing.h"

namespace weighbridge::bench {
namespace {

constexpr uint64_t kRowElements = 4096;  // of an int8 row: a usual width of a model
constexpr uint64_t kKiB = 1024, kMiB = 1024 * kKiB;
constexpr uint64_t kSizes[] = {768 * kKiB, 24 * kMiB, 384 * kMiB};

enum class Destination : uint8_t { reused, fresh };

// Anonymous pages, not yet touched.
class Pages {
 public:
  explicit Pages(size_t bytes)
      : bytes_(bytes), start_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    if (start_ == MAP_FAILED) throw system_error("mmap", reports::human(bytes), errno, ErrorKind::environment);
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  ~Pages() { munmap(start_, bytes_); }
  std::byte* data() const { return static_cast<std::byte*>(start_); }

 private:
  size_t bytes_;
  void* start_;
};

// Any bits but those of infinity, NaN and subnormals, which weights do not have; as f32 and as most other types. One
// buffer for all, as long as the longest source needs.
const std::byte* source(size_t bytes) {
  static std::vector<std::byte> all;
  static std::mt19937 random(1);
  const size_t had = all.size();
  if (had < bytes) all.resize(bytes);
  for (size_t i = had; i + 4 <= all.size(); i += 4) {
    const uint32_t word = (static_cast<uint32_t>(random()) & 0x8fff8fff) | 0x30003000;
    std::memcpy(all.data() + i, &word, sizeof word);
  }
  return all.data();
}

// One conversion, or memcpy, of so many bytes moved.
struct Move {
  std::optional<Layout> layout;  // of a matrix; none: memcpy
  uint64_t source_bytes, target_bytes;

  void to(std::byte* target, const std::byte* from) const {
    if (layout) {
      convert(*layout, 0, layout->elements, from, target);
    } else {
      std::memcpy(target, from, target_bytes);
    }
  }
};

Move conversion(Dtype stored, Target target, uint64_t moved, bool one_row = false) {
  const std::array<uint64_t, 2> row = {1, kRowElements};
  const Layout single = layout(stored, row, target);
  const uint64_t rows = moved / (single.stored_bytes + single.loaded_bytes);
  const std::array<uint64_t, 2> matrix = {rows, kRowElements};
  const std::array<uint64_t, 1> vector = {rows * kRowElements};
  const Layout whole = one_row ? layout(stored, vector, target) : layout(stored, matrix, target);
  return {whole, whole.stored_bytes, whole.loaded_bytes};
}

Move copy(uint64_t moved) {
  return {std::nullopt, moved / 2, moved / 2};
}

// Seconds of one; so many in a row that the clock and a passing interrupt do not show.
double time(const Move& move, Destination destination) {
  constexpr uint64_t kAtLeast = 256 * kMiB;
  const std::byte* from = source(move.source_bytes);
  const uint64_t times = std::max(kAtLeast / (move.source_bytes + move.target_bytes), uint64_t{1});
  if (destination == Destination::fresh) {
    double seconds = 0;
    for (uint64_t i = 0; i < times; ++i) {
      const Pages target(move.target_bytes);
      const CpuWatch watch;
      move.to(target.data(), from);
      seconds += watch.seconds();
    }
    return seconds / static_cast<double>(times);
  }
  static Pages target(kSizes[2]);  // touched where it was used once
  move.to(target.data(), from);
  const CpuWatch watch;
  for (uint64_t i = 0; i < times; ++i) {
    move.to(target.data(), from);
    benchmark::ClobberMemory();
  }
  return watch.seconds() / static_cast<double>(times);
}

std::optional<double> bar_of(std::string_view target) {
  if (target == "f16" || target == "bf16") return 0.8;
  if (target == "int8" || target == "q8_0") return 0.5;
  return std::nullopt;
}

// One iteration and one repetition of Google Benchmark's own, for what is no row.
void run(benchmark::State& state, Destination destination, const Move& move) {
  const std::byte* from = source(move.source_bytes);
  if (destination == Destination::reused) {
    const Pages target(move.target_bytes);
    std::memset(target.data(), 1, move.target_bytes);
    for (auto _ : state) {
      move.to(target.data(), from);
      benchmark::ClobberMemory();
    }
  } else {
    for (auto _ : state) {
      const Pages target(move.target_bytes);
      const CpuWatch watch;
      move.to(target.data(), from);
      state.SetIterationTime(watch.seconds());
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(move.source_bytes + move.target_bytes) * state.iterations());
}

template <class MakeMove>
void add(const std::string& name, MakeMove make) {
  for (const auto& [destination, word] : {std::pair{Destination::reused, "reused"}, {Destination::fresh, "fresh"}}) {
    auto* benchmark = benchmark::RegisterBenchmark(fmt::format("{}/{}", name, word).c_str(),
                                                   [make, to = destination](benchmark::State& state) {
                                                     try {
                                                       run(state, to, make(static_cast<uint64_t>(state.range(0))));
                                                     } catch (const Error& error) {
                                                       state.SkipWithError(error.what());
                                                     }
                                                   });
    for (const uint64_t size : kSizes) benchmark->Arg(static_cast<int64_t>(size));
    if (destination == Destination::fresh) benchmark->UseManualTime();
  }
}

}  // namespace

void add_kernel_rows() {
  for (const auto& [destination, word] : {std::pair{Destination::reused, "reused"}, {Destination::fresh, "fresh"}}) {
    for (const TargetInfo& target : targets()) {
      if (!target.target.dtype || target.target.dtype == Dtype::f32) continue;
      for (const uint64_t size : kSizes) {
        if (destination == Destination::fresh && size != kSizes[2]) continue;
        const Move move = conversion(Dtype::f32, target.target, size);
        const Move copied = copy(move.source_bytes + move.target_bytes);
        Row row;
        row.name = fmt::format("kernel/f32_to_{}/{}/{}", target.name, word, reports::exact_bytes(size));
        row.group = "Kernels, CPU time";
        row.bytes = move.source_bytes + move.target_bytes;
        row.work = [=, to = destination] { return time(move, to); };
        row.limits = {{fmt::format("memcpy of the bytes moved, {} memory", word),
                       [=, to = destination] { return time(copied, to); }}};
        if (size != kSizes[0]) row.bar = bar_of(target.name);
        add_row(std::move(row));
      }
    }
  }
}

void add_conversions() {
  add("memcpy", copy);
  for (const Dtype stored : {Dtype::f32, Dtype::f64, Dtype::f16, Dtype::bf16, Dtype::f8_e4m3, Dtype::f8_e5m2,
                             Dtype::f8_e4m3fnuz, Dtype::f8_e5m2fnuz, Dtype::q4_0, Dtype::q4_1, Dtype::q5_0, Dtype::q5_1,
                             Dtype::q8_0, Dtype::q2_k, Dtype::q3_k, Dtype::q4_k, Dtype::q5_k, Dtype::q6_k}) {
    for (const TargetInfo& target : targets()) {
      if (!target.target.dtype || stored == target.target.dtype) continue;
      add(fmt::format("convert/{}_to_{}", name(stored), target.name),
          [=](uint64_t moved) { return conversion(stored, target.target, moved); });
    }
  }
  add("convert/f32_to_int8_one_row",
      [](uint64_t moved) { return conversion(Dtype::f32, Target{Dtype::int8}, moved, true); });
}

}  // namespace weighbridge::bench
