// Every f32 there is, all 2^32 bit patterns, through the vector kernels and their scalar twin: f16, bf16 and f8_e4m3
// element by element, and the roundings of q8_0 and q4_0. On each instruction set that this processor has.
//
//   dtype_exhaustive                    compares; exit status 1 where a bit differs
//   dtype_exhaustive --dump DTYPE STEP  writes to standard output what the kernel makes of patterns 0, STEP, 2 x STEP,
//   ...
//                                       for another program to judge (torch_opinion.py)
//
// scripts/exhaustive builds it optimised, runs it, and asks PyTorch as well.
#include <hwy/targets.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "strategies/dtype/convert.h"
#include "strategies/dtype/dtype.h"
#include "strategies/dtype/scalar.h"

namespace {

using weighbridge::Dtype;
using weighbridge::Layout;
using Bytes = std::vector<std::byte>;

constexpr uint64_t kPatterns = uint64_t{1} << 32;
constexpr uint64_t kPiece = uint64_t{1} << 20;  // patterns that one thread takes at a time

constexpr Dtype kElementwise[] = {Dtype::f16, Dtype::bf16, Dtype::f8_e4m3};

// A block whose first element makes its scale 1, so that the other 31 are rounded as they are. Only patterns that do
// not exceed it leave it at that; the others make scales of their own and are compared all the same.
struct Rounding {
  Dtype dtype;
  float first;
};
constexpr Rounding kRoundings[] = {{Dtype::q8_0, 127}, {Dtype::q4_0, -8}};
constexpr uint64_t kBlock = 32;
constexpr uint64_t kOfBlock = kBlock - 1;  // patterns in one

Layout layout_of(Dtype loaded, uint64_t elements) {
  const uint64_t shape[] = {1, elements};
  return weighbridge::layout(Dtype::f32, shape, weighbridge::Target{loaded});
}

std::vector<float> patterns(uint64_t first, uint64_t count, uint64_t step = 1) {
  std::vector<float> values(count);
  for (uint64_t i = 0; i < count; ++i) {
    const auto bits = static_cast<uint32_t>(first + i * step);
    std::memcpy(&values[i], &bits, sizeof bits);
  }
  return values;
}

std::vector<float> blocks_of(const std::vector<float>& values, float first) {
  std::vector<float> blocks((values.size() + kOfBlock - 1) / kOfBlock * kBlock, 0.0F);
  for (size_t i = 0; i < values.size(); ++i) blocks[i / kOfBlock * kBlock + 1 + i % kOfBlock] = values[i];
  for (size_t i = 0; i < blocks.size(); i += kBlock) blocks[i] = first;
  return blocks;
}

Bytes by_vectors(Dtype loaded, const std::vector<float>& values) {
  const Layout layout = layout_of(loaded, values.size());
  Bytes tensor(layout.loaded_bytes);
  weighbridge::convert(layout, 0, layout.elements, reinterpret_cast<const std::byte*>(values.data()), tensor.data());
  return tensor;
}

Bytes by_scalars(Dtype loaded, const std::vector<float>& values) {
  const Layout layout = layout_of(loaded, values.size());
  Bytes tensor(layout.loaded_bytes);
  weighbridge::scalar::convert(layout, 0, layout.elements, reinterpret_cast<const std::byte*>(values.data()),
                               tensor.data(), nullptr);
  return tensor;
}

// What a run of patterns is converted from and to.
struct Job {
  Dtype loaded;
  std::vector<float> values;
  Bytes expected;
};

std::vector<Job> jobs_of(uint64_t first) {
  const std::vector<float> values = patterns(first, kPiece);
  std::vector<Job> jobs;
  for (const Dtype dtype : kElementwise) jobs.push_back({dtype, values, by_scalars(dtype, values)});
  for (const Rounding& rounding : kRoundings) {
    const std::vector<float> blocks = blocks_of(values, rounding.first);
    jobs.push_back({rounding.dtype, blocks, by_scalars(rounding.dtype, blocks)});
  }
  return jobs;
}

// False, and says where, if the kernels of the instruction set that is chosen differ.
bool agrees(const Job& job, uint64_t first) {
  const Bytes found = by_vectors(job.loaded, job.values);
  if (found == job.expected) return true;
  const auto at = std::mismatch(found.begin(), found.end(), job.expected.begin()).first - found.begin();
  std::fprintf(stderr, "f32 to %s, byte %td of the run of patterns from 0x%08lx: vectors 0x%02x, scalars 0x%02x\n",
               std::string(name(job.loaded)).c_str(), at, static_cast<unsigned long>(first),
               std::to_integer<unsigned>(found[static_cast<size_t>(at)]),
               std::to_integer<unsigned>(job.expected[static_cast<size_t>(at)]));
  return false;
}

// The instruction set is the process's, so the threads go through them in step.
template <class Work>
void in_threads(unsigned threads, const Work& work) {
  std::vector<std::thread> running;
  for (unsigned thread = 0; thread < threads; ++thread) running.emplace_back(work, thread);
  for (std::thread& thread : running) thread.join();
}

class Progress {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

  // On a terminal a line that changes every second, else a line every half minute.
  void show(uint64_t done) {
    if (done < kPatterns && seconds() - shown_ < (terminal_ ? 1 : 30)) return;
    shown_ = seconds();
    const double left = shown_ / static_cast<double>(done) * static_cast<double>(kPatterns - done);
    std::fprintf(stderr, "%s%5.1f %%, %.0f s so far, %.0f s left%s", terminal_ ? "\r" : "",
                 100.0 * static_cast<double>(done) / static_cast<double>(kPatterns), shown_, left,
                 terminal_ && done < kPatterns ? " " : "\n");
  }

 private:
  using Clock = std::chrono::steady_clock;
  const bool terminal_ = isatty(STDERR_FILENO) != 0;
  const Clock::time_point begin_ = Clock::now();
  double shown_ = 0;
};

int compare() {
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  std::vector<int64_t> targets = hwy::SupportedAndGeneratedTargets();
  // Without vectors the kernels are the twin itself.
  std::erase_if(targets, [](int64_t target) { return target == HWY_SCALAR || target == HWY_EMU128; });
  std::printf("%u threads; instruction sets:", threads);
  for (const int64_t target : targets) std::printf(" %s", hwy::TargetName(target));
  std::printf("\n");
  std::fflush(stdout);
  Progress progress;
  std::atomic<bool> all_agree = true;
  uint64_t done = 0;
  while (done < kPatterns && all_agree) {
    const auto in_step = static_cast<unsigned>(std::min<uint64_t>(threads, (kPatterns - done) / kPiece));
    std::vector<std::vector<Job>> jobs(in_step);
    in_threads(in_step, [&](unsigned thread) { jobs[thread] = jobs_of(done + thread * kPiece); });
    for (const int64_t target : targets) {
      hwy::SetSupportedTargetsForTest(target);
      hwy::GetChosenTarget().Update(hwy::SupportedTargets());
      in_threads(in_step, [&](unsigned thread) {
        for (const Job& job : jobs[thread]) {
          if (!agrees(job, done + thread * kPiece)) all_agree = false;
        }
      });
      if (all_agree) continue;
      std::fprintf(stderr, "on %s\n", hwy::TargetName(target));
      break;
    }
    done += in_step * kPiece;
    progress.show(done);
  }
  if (!all_agree) return EXIT_FAILURE;
  std::printf(
      "%llu patterns to f16, bf16, f8_e4m3, q8_0 and q4_0: the same to the bit on %zu instruction sets, in %.0f s\n",
      static_cast<unsigned long long>(done), targets.size(), progress.seconds());
  return EXIT_SUCCESS;
}

int dump(std::string_view dtype, uint64_t step) {
  const auto wanted =
      std::find_if(std::begin(kElementwise), std::end(kElementwise), [&](Dtype known) { return name(known) == dtype; });
  if (wanted == std::end(kElementwise) || step == 0) {
    std::fprintf(stderr, "usage: dtype_exhaustive [--dump f16|bf16|f8_e4m3 STEP]\n");
    return 2;
  }
  for (uint64_t first = 0; first < kPatterns; first += kPiece * step) {
    const Bytes made =
        by_vectors(*wanted, patterns(first, std::min(kPiece, (kPatterns - first + step - 1) / step), step));
    if (std::fwrite(made.data(), 1, made.size(), stdout) != made.size()) {
      std::perror("standard output");
      return 4;
    }
  }
  return EXIT_SUCCESS;
}

}  // namespace

int main(int count, char** words) {
  if (count == 1) return compare();
  if (count == 4 && std::string_view(words[1]) == "--dump") return dump(words[2], std::strtoull(words[3], nullptr, 10));
  return dump("", 0);
}
