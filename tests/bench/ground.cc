#include "tests/bench/ground.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include "harness/probe/limits.h"
#include "harness/probe/page_cache.h"
#include "harness/probe/probe.h"
#include "harness/probe/status.h"
#include "reports/units.h"
#include "strategies/error.h"
#include "strategies/synth/synth.h"

namespace weighbridge::bench {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kOuterBytes = 150 * kMiB;  // GPT-2 in f32 without its layers, and one of them
constexpr uint64_t kLayerBytes = 27 * kMiB;
constexpr unsigned kMostLayers = 5;

// The heaviest case holds two copies beside the file's pages; half as much again is left to everybody else.
unsigned affordable_layers() {
  uint64_t bound = UINT64_MAX;
  for (const reports::Limit& limit : find_limits()) {
    if (limit.bounds == reports::Limit::kBoundsMemory) bound = std::min(bound, limit.bytes);
  }
  unsigned layers = kMostLayers;
  while (layers > 0 && (kOuterBytes + layers * kLayerBytes) * 9 / 2 > bound) --layers;
  if (layers == 0) {
    throw Error(ErrorKind::environment,
                fmt::format("the benchmarks need {} of memory, and {} are to be had",
                            reports::human((kOuterBytes + kLayerBytes) * 9 / 2), reports::human(bound)));
  }
  return layers;
}

}  // namespace

Ground& Ground::get() {
  static Ground* const ground = new Ground;
  return *ground;
}

Ground::Ground()
    : page_(SharedPageMapping::create()),
      meter_(*page_),
      allocator_(make_allocator(meter_)),
      memory_(allocator_->memory(), unheard_, meter_) {
  meter_.watch_releases(false);
  if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0) throw system_error("prctl", "PR_SET_THP_DISABLE", errno);
  make_checkpoint();
}

void Ground::make_checkpoint() {
  const char* set = std::getenv("TMPDIR");
  const std::string parent = set != nullptr && *set != '\0' ? set : "/var/tmp";
  std::string folder = parent + "/weighbridge-bench-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) throw system_error("mkdtemp", folder, errno);
  const std::string path = folder + "/gpt2.safetensors";
  const unsigned layers = affordable_layers();
  try {
    SynthRequest request;
    request.architecture = "gpt2";
    request.layers = layers;
    request.output = path;
    synthesise(request);
    descriptor_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor_ < 0) throw system_error("open", path, errno);
    checkpoint_ = open_checkpoint(path);
  } catch (...) {
    unlink(path.c_str());
    rmdir(folder.c_str());
    throw;
  }
  description_ =
      fmt::format("GPT-2 in f32, {} layers, {}, on {}", layers, reports::human(tensor_bytes()), filesystem_of(path));
  unlink(path.c_str());
  rmdir(folder.c_str());
  checkpoint_.files.front().path = fmt::format("/proc/self/fd/{}", descriptor_);
}

void Ground::warm_up() const {
  const std::vector<std::string> files = {checkpoint_.files.front().path};
  std::string reason;
  auto cached = cached_bytes(files, reason);
  if (cached && *cached < file_bytes()) {
    warm(files);
    cached = cached_bytes(files, reason);
  }
  if (!cached) throw Error(ErrorKind::environment, "whether the file is in the page cache is not known: " + reason);
  if (*cached < file_bytes()) {
    throw Error(ErrorKind::environment, fmt::format("only {} of the file's {} stay in the page cache",
                                                    reports::human(*cached), reports::human(file_bytes())));
  }
}

Weighed Ground::weigh(const std::function<void()>& work) {
  const auto faults = faults_probe();
  const auto before = StatusFile(0).read();
  if (!before) throw Error(ErrorKind::environment, "/proc/self/status cannot be read");
  page_->phase = static_cast<uint32_t>(Phase::load);
  PhasePage& phase = page_->phases[static_cast<size_t>(Phase::load)];
  phase.need_peak_slot = 2;  // no reading yet
  reports::Phase seen;
  reports::Reasons unavailable;
  faults->begin(getpid());
  meter_.watch_releases(true);
  try {
    work();
  } catch (...) {
    meter_.watch_releases(false);
    throw;
  }
  meter_.read();
  meter_.watch_releases(false);
  faults->end(getpid(), seen, unavailable);
  const uint64_t peak = phase.need_peak[phase.need_peak_slot].need();
  if (!seen.minor_faults || !seen.major_faults) {
    throw Error(ErrorKind::environment, "faults are not known: " + unavailable["minor_faults"]);
  }
  return {peak > before->need() ? peak - before->need() : 0, *seen.minor_faults, *seen.major_faults};
}

}  // namespace weighbridge::bench
