// Under real swap: a swap file of the test's own, and a cage too small for the load.
#include <fmt/format.h>
#include <sys/swap.h>
#include <unistd.h>

#include <cmath>

#include "harness/cage/cage.h"
#include "tests/harness/measure.h"
#include "tests/support/ground_truth.h"
#include "tests/support/record.h"
#include "tests/support/skip.h"

namespace weighbridge::test {
namespace {

// 768 MiB of swap for as long as it lives.
class SwapFile {
 public:
  SwapFile() : path_(scratch_ / "swap") {
    if (geteuid() != 0) {
      reason_ = "swap can be added by root alone";
      return;
    }
    const Outcome made =
        run({"/bin/sh", "-c",
             "PATH=$PATH:/sbin:/usr/sbin; dd if=/dev/zero of=\"$1\" bs=1M count=768 && chmod 600 \"$1\" && "
             "mkswap \"$1\" && swapon \"$1\"",
             "sh", path_});
    on_ = made.status == 0;
    if (!on_)
      reason_ = "no swap file can be used here: " + made.err.substr(made.err.rfind('\n', made.err.size() - 2) + 1);
  }
  ~SwapFile() {
    if (on_) swapoff(path_.c_str());
  }
  const std::string& reason() const { return reason_; }

 private:
  Scratch scratch_;
  std::string path_, reason_;
  bool on_ = false;
};

const SwapFile& swap_file() {
  static const SwapFile file;
  return file;
}

bool no_swap() {
  static const Cages cages(true);
  return skip(!cages.possible() ? "no cgroup can be made here: " + cages.reason() : swap_file().reason());
}

TEST_CASE("need under swap is what is resident and what was swapped out: eager, in a limit of half its need") {
  if (no_swap()) return;
  const Scratch scratch;
  const Outcome outcome = run({weighbridge(), "run", small_gpt2(), "--strategy", "eager", "--dtype", "native",
                               "--limit", "120MiB", "--repeat", "1", "--out", scratch / "out"});
  INFO(outcome.err);
  const json record = valid_record(scratch / "out/record.json");
  const json& cell = record["cells"][0];
  INFO(cell["reason"]);
  CHECK((cell["verdict"] == "swapped" || cell["verdict"] == "thrashed"));
  CHECK(cell["swap_peak_bytes"] > 50 * kMiB);
  int64_t out_pages = 0;
  for (const json& phase : cell["trials"][0]["phases"]) out_pages += phase["system_swap_out_pages"].get<int64_t>();
  CHECK(out_pages * 4096 > 50 * kMiB);
  const int64_t truth = cell["predicted"]["need_bytes"].get<int64_t>() + cell["floor_bytes"].get<int64_t>();
  const int64_t need = cell["need_bytes"];
  fmt::print("swapped: need {} KiB of {} KiB, up to {} KiB of it in swap\n", need / 1024, truth / 1024,
             cell["swap_peak_bytes"].get<int64_t>() / 1024);
  CHECK(std::abs(need - truth) <= truth / 200 + 2 * kMiB);
}

TEST_CASE("--swap-limit 0 takes the swap away: the same load is killed") {
  if (no_swap()) return;
  const Scratch scratch;
  run({weighbridge(), "run", small_gpt2(), "--strategy", "eager", "--dtype", "native", "--limit", "120MiB",
       "--swap-limit", "0", "--repeat", "1", "--out", scratch / "out"});
  const json cell = valid_record(scratch / "out/record.json")["cells"][0];
  INFO(cell["reason"]);
  CHECK(cell["swap_limit_bytes"] == 0);
  CHECK(cell["verdict"] == "oom-killed");
  CHECK(cell["swap_peak_bytes"] == 0);
}

TEST_CASE("random plans of known memory in a limit of two thirds of their peak: the need is exact under swap, too") {
  if (no_swap()) return;
  const Scratch scratch;
  write_file(scratch / "mapped", std::string(33 << 20, 'w'));
  double worst = 0;
  for (const uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    const TruthPlan truth = draw_truth(seed);
    uint64_t peak = 0;
    for (const TruthPhase& phase : truth.phases) peak = std::max(peak, phase.need_peak);
    MatrixRequest request = request_for(small_gpt2(), {fmt::format("truth:seed={},file={}", seed, scratch / "mapped")});
    request.limits = {peak * 2 / 3};
    const reports::Record record = measure(request);
    const reports::Trial& trial = record.cells.at(0).trials.at(0);
    INFO(fmt::format("seed {}: {}: {}", seed, trial.verdict, trial.reason));
    REQUIRE(trial.phases.size() == 4);
    for (const Phase phase : {Phase::load, Phase::use, Phase::release}) {
      const uint64_t expected = truth.phases[static_cast<size_t>(phase)].need_peak;
      const uint64_t need = trial.phases[static_cast<size_t>(phase)].need_peak_bytes - *trial.floor_bytes;
      INFO(fmt::format("phase {}: need {} of {}", static_cast<int>(phase), need, expected));
      const double share = share_of_allowed(need, expected, 0.005, 2 * static_cast<uint64_t>(kMiB));
      CHECK(share < 1);
      worst = std::max(worst, share);
    }
  }
  fmt::print("need under swap: largest error {:.0f} % of what is allowed\n", 100 * worst);
}

}  // namespace
}  // namespace weighbridge::test
