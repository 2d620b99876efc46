// The instruments against plans of memory whose truth is known to the page.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "tests/harness/measure.h"
#include "tests/support/catch.h"
#include "tests/support/ground_truth.h"

namespace weighbridge::test {
namespace {

constexpr uint64_t kMiB = 1u << 20;

// A file to map, with every page in it.
std::string mappable_file(const Scratch& scratch) {
  const std::string path = scratch / "mapped";
  write_file(path, std::string(33 * kMiB, 'w'));
  return path;
}

TEST_CASE("every phase of a random plan is measured within 0.5 % + 2 MiB, with the sampler at 1 kHz and off") {
  const Scratch scratch;
  const std::string file = mappable_file(scratch);
  double worst_need = 0, worst_rss = 0;
  int64_t largest_need_error = 0, largest_rss_error = 0;
  const uint64_t fresh = std::random_device{}();
  fmt::print("ground truth: seeds 1 to 11, and {} drawn now\n", fresh);
  for (uint64_t number = 1; number <= 12; ++number) {
    const uint64_t seed = number < 12 ? number : fresh;
    const TruthPlan truth = draw_truth(seed);
    REQUIRE(truth.largest_map_pages * kPageBytes <= 33 * kMiB);  // as long as the file
    for (const uint64_t interval_ns : {uint64_t{1'000'000}, uint64_t{0}}) {
      MatrixRequest request = request_for(small_gpt2(), {fmt::format("truth:seed={},file={}", seed, file)});
      request.sample_interval_ns = interval_ns;
      const reports::Record record = measure(request);
      const reports::Trial& trial = record.cells.at(0).trials.at(0);
      INFO(
          fmt::format("seed {}, sampling every {} ns, verdict {}: {}", seed, interval_ns, trial.verdict, trial.reason));
      REQUIRE(trial.phases.size() == 4);
      CHECK((trial.timeline.size() > 0) == (interval_ns > 0));
      for (const Phase phase : {Phase::load, Phase::use, Phase::release}) {
        const TruthPhase& expected = truth.phases[static_cast<size_t>(phase)];
        const reports::Phase& measured = trial.phases[static_cast<size_t>(phase)];
        const uint64_t need = measured.need_peak_bytes - *trial.floor_bytes;
        REQUIRE(measured.peak_rss_bytes);
        const uint64_t rss = *measured.peak_rss_bytes - *trial.floor_bytes - *trial.floor_file_bytes;
        INFO(fmt::format("phase {}: need {} of {}, resident {} of {}", measured.name, need, expected.need_peak, rss,
                         expected.resident_peak));
        const double need_share = share_of_allowed(need, expected.need_peak, 0.005, 2 * kMiB);
        const double rss_share = share_of_allowed(rss, expected.resident_peak, 0.005, 2 * kMiB);
        CHECK(need_share < 1);
        CHECK(rss_share < 1);
        worst_need = std::max(worst_need, need_share);
        worst_rss = std::max(worst_rss, rss_share);
        largest_need_error = std::max(largest_need_error, std::abs(static_cast<int64_t>(need - expected.need_peak)));
        largest_rss_error = std::max(largest_rss_error, std::abs(static_cast<int64_t>(rss - expected.resident_peak)));
      }
    }
  }
  fmt::print(
      "ground truth: largest error of the need {} KiB ({:.0f} % of what is allowed), of the resident "
      "set {} KiB ({:.0f} %)\n",
      largest_need_error / 1024, 100 * worst_need, largest_rss_error / 1024, 100 * worst_rss);
}

TEST_CASE("seven ways to hold one file come out as seven different rows") {
  const Scratch scratch;
  const std::string model = scratch / "one.safetensors";
  constexpr uint64_t kBytes = 512 * kMiB;
  const std::string header = fmt::format(R"({{"w":{{"dtype":"U8","shape":[{0}],"data_offsets":[0,{0}]}}}})", kBytes);
  {
    std::string bytes(8, '\0');
    bytes[0] = static_cast<char>(header.size());
    bytes += header;
    bytes.resize(bytes.size() + kBytes, 'w');
    write_file(model, bytes);
  }
  struct Row {
    const char* way;
    double need, file;  // of the file's size
  };
  constexpr Row rows[] = {{"eager", 1, 0},     {"double", 2, 0},          {"mmap", 0, 1}, {"mmap-tenth", 0, 0.1},
                          {"mmap-copy", 1, 1}, {"reserve-tenth", 0.1, 0}, {"memfd", 1, 0}};
  std::vector<std::string> strategies;
  for (const Row& row : rows) strategies.push_back(std::string("seven:way=") + row.way);
  const reports::Record record = measure(request_for(model, strategies));
  for (size_t index = 0; index < std::size(rows); ++index) {
    const Row& row = rows[index];
    const reports::Cell& cell = record.cells.at(index);
    INFO(row.way << ": " << cell.verdict << ", " << cell.reason);
    REQUIRE(cell.need_bytes);
    REQUIRE(cell.reclaimable_bytes);
    REQUIRE(cell.peak_rss_bytes);
    const auto truth = [&](double share) { return static_cast<uint64_t>(share * static_cast<double>(kBytes)); };
    const reports::Trial& trial = cell.trials.at(0);
    const uint64_t need = *cell.need_bytes - *cell.floor_bytes;
    const uint64_t rss = *cell.peak_rss_bytes - *trial.floor_bytes - *trial.floor_file_bytes;
    fmt::print("{:<14} need {:>7} KiB  reclaimable {:>7} KiB  resident {:>7} KiB  shmem at peak {:>7} KiB\n", row.way,
               need / 1024, *cell.reclaimable_bytes / 1024, rss / 1024, cell.at_peak->shmem / 1024);
    // Within 1 % or 4 MiB of the truth.
    const auto within = [](uint64_t measured, uint64_t expected) {
      const uint64_t difference = measured > expected ? measured - expected : expected - measured;
      return difference <= std::max(expected / 100, 4 * kMiB);
    };
    CHECK(within(need, truth(row.need)));
    CHECK(within(*cell.reclaimable_bytes, truth(row.file)));
    CHECK(within(rss, truth(row.need + row.file)));
    CHECK((cell.at_peak->shmem > kBytes / 2) == (std::string(row.way) == "memfd"));
  }
}

TEST_CASE("a worker's figures do not change when the parent is 1 GiB large") {
  const MatrixRequest request = request_for(small_gpt2(), {"eager", "mmap"});
  const reports::Record small = measure(request);
  std::vector<char> ballast(1024 * kMiB, 1);
  const reports::Record large = measure(request);
  CHECK(ballast[ballast.size() / 2] == 1);
  for (size_t cell = 0; cell < 2; ++cell) {
    const auto difference = [](const reports::Figure& a, const reports::Figure& b) {
      return *a > *b ? *a - *b : *b - *a;
    };
    INFO(small.cells[cell].strategy);
    CHECK(difference(small.cells[cell].need_bytes, large.cells[cell].need_bytes) <= 64 * 1024);
    CHECK(difference(small.cells[cell].peak_rss_bytes, large.cells[cell].peak_rss_bytes) <= 1024 * 1024);
    CHECK(difference(small.cells[cell].floor_bytes, large.cells[cell].floor_bytes) <= 64 * 1024);
  }
}

}  // namespace
}  // namespace weighbridge::test
