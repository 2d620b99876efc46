// What direct reads, and in which pieces.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "strategies/direct_runs.h"
#include "strategies/error.h"
#include "strategies/io/direct_file.h"
#include "strategies/predictor.h"
#include "strategies/strategy.h"
#include "tests/support/catch.h"
#include "tests/support/program.h"

namespace weighbridge::test {
namespace {

constexpr uint64_t kKiB = 1024, kMiB = kKiB * kKiB;

// f32 tensors of so many bytes one after another in a file that is not there: blocks are 4 KiB then.
Checkpoint made(const std::vector<uint64_t>& bytes, uint64_t header = 100) {
  Checkpoint checkpoint;
  uint64_t offset = header;
  for (const uint64_t of_one : bytes) {
    checkpoint.tensors.push_back({.name = std::to_string(checkpoint.tensors.size()),
                                  .shape = {of_one / 4},
                                  .extent = {0, offset, of_one},
                                  .encoding = {}});
    offset += of_one;
  }
  checkpoint.files.push_back({"/nothing/here", offset});
  return checkpoint;
}

std::vector<DirectRuns::Run> all(const DirectRuns& runs) {
  std::vector<DirectRuns::Run> found;
  for (auto run = runs.next({}); run; run = runs.next(run->to)) found.push_back(*run);
  return found;
}

TEST_CASE("a hundred thousand tensors of 10 KiB are a thousand reads, not a hundred thousand") {
  const Checkpoint checkpoint = made(std::vector<uint64_t>(100'000, 10 * kKiB));
  const Options options;
  for (const Target target : {Target{}, Target{Dtype::f16}}) {
    const Request request(checkpoint, target, 1, options);
    const auto runs = all(DirectRuns(request, kMiB));
    CHECK(runs.size() <= 985);  // 977 MiB, and a block that is read twice at each border
    uint64_t read = 0;
    for (const auto& run : runs) {
      CHECK(run.extent.offset % 4096 == 0);
      CHECK(run.extent.bytes <= kMiB);
      read += run.extent.bytes;
    }
    CHECK(read < 100'000 * 10 * kKiB / 100 * 101);
  }
}

TEST_CASE("every stored byte is brought once, in order, in whole units, wherever tensors and chunks begin") {
  for (const uint64_t header : {0, 1, 100, 4095, 4096}) {
    // Small, large, none, a row of int8 that is longer than a chunk, neighbours of one block.
    const Checkpoint checkpoint = made({12, 400 * kKiB, 0, 4, 4, 70 * kKiB, 5 * kMiB, 8, 300 * kKiB}, header);
    const Options options;
    for (const Target target : {Target{}, Target{Dtype::f16}, Target{Dtype::int8}}) {
      const Request request(checkpoint, target, 1, options);
      for (const uint64_t chunk : {4 * kKiB, 64 * kKiB, kMiB}) {
        const DirectRuns runs(request, chunk);
        std::vector<uint64_t> brought(checkpoint.tensors.size());
        for (const auto& run : all(runs)) {
          CHECK(run.extent.offset % 4096 == 0);
          CHECK(run.extent.offset + run.extent.bytes <= checkpoint.files[0].bytes);
          CHECK(run.buffer_bytes >= run.extent.bytes);
          CHECK(run.buffer_bytes % 4096 == 0);
          if (!run.staged) {
            brought[run.from.tensor] += request.layouts[run.from.tensor].stored_bytes;
            continue;
          }
          runs.each_piece(run, [&](uint32_t tensor, uint64_t begin, uint64_t bytes, uint64_t offset) {
            CHECK(begin == brought[tensor]);
            CHECK(run.extent.offset + offset == checkpoint.tensors[tensor].extent.offset + begin);
            CHECK(offset + bytes <= run.extent.bytes);
            const Layout& layout = request.layouts[tensor];
            if (layout.converted()) CHECK(bytes % layout.unit_bytes() == 0);
            brought[tensor] += bytes;
          });
        }
        for (size_t tensor = 0; tensor < brought.size(); ++tensor) {
          CHECK(brought[tensor] == request.layouts[tensor].stored_bytes);
        }
      }
    }
  }
}

TEST_CASE("staging is one chunk more than reads in flight, and never more than there is to stage") {
  const auto predicted = [](const Checkpoint& checkpoint, const char* text, Target target) {
    const Choice choice = parse_choice(text);
    return *predict(*choice.strategy, Request(checkpoint, target, 1, choice.options));
  };
  const Checkpoint large = made({64 * kMiB, 64 * kMiB}), small = made({10 * kKiB, 20 * kKiB});
  CHECK(predicted(large, "direct:depth=4,chunk=2MiB", Target{Dtype::f16}).staging == 10 * kMiB);
  CHECK(predicted(large, "direct:depth=1,chunk=2MiB", Target{Dtype::f16}).staging == 4 * kMiB);
  CHECK(predicted(small, "direct", Target{Dtype::f16}).staging == 32 * kKiB);
  // Native: straight into the tensors, which grow by less than two blocks each.
  CHECK(predicted(large, "direct", Target{}).staging == 0);
  CHECK(predicted(large, "direct", Target{}).weights <= 128 * kMiB + 4 * 4096);
  // A row that is longer than all chunks: 64 MiB, wherever it lies in its blocks.
  CHECK(predicted(large, "direct:depth=1,chunk=4KiB", Target{Dtype::int8}).staging <= 64 * kMiB + 2 * 4096);
}

TEST_CASE("options that make no sense are refused before anything is read") {
  for (const char* text : {"direct:depth=0", "direct:depth=257", "direct:depth=4x", "direct:depth=-1", "direct:chunk=0",
                           "direct:engine=aio", "direct:engine="}) {
    INFO(text);
    CHECK_THROWS_AS(parse_choice(text), Error);
  }
}

TEST_CASE("blocks are a power of two that holds whole sectors, asked or not") {
  const Scratch scratch;
  write_file(scratch / "file", "w");
  for (const std::string& path : {scratch / "file", std::string("/sys/kernel/notes"), scratch / "missing"}) {
    const uint64_t block = direct_block(path);
    CHECK(block >= 512);
    CHECK((block & (block - 1)) == 0);
  }
  CHECK(direct_block(scratch / "missing") == 4096);
}

}  // namespace
}  // namespace weighbridge::test
