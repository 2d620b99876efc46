#include "strategies/executor.h"

#include <atomic>

#include "strategies/error.h"
#include "tests/strategies/plans/counting_memory.h"
#include "tests/strategies/plans/made_checkpoint.h"
#include "tests/support/catch.h"

namespace weighbridge::test {
namespace {

TEST_CASE("what a plan holds goes back when it throws") {
  const Scratch scratch;
  const Checkpoint checkpoint = make_checkpoint(scratch, 1);
  const Options options;
  const Request request(checkpoint, Target{}, 1, options);
  CountingMemory memory;
  Observer observer;
  CHECK_THROWS_AS(
      [&] {
        Executor executor(request, memory, observer);
        executor.allocate(Purpose::weights, 100'000);
        executor.map(0);
        executor.opaque([](Memory&) { throw Error(ErrorKind::refused, "no more"); });
      }(),
      Error);
  CHECK(memory.held() == 0);
  CHECK(memory.mappings() == 0);
}

TEST_CASE("the first error of several threads ends them all, and is the one that is told") {
  const Scratch scratch;
  const Checkpoint checkpoint = make_checkpoint(scratch, 1);
  const Options options;
  const Request request(checkpoint, Target{}, 1, options);
  for (const unsigned threads : {1U, 2U, 16U}) {
    CountingMemory memory;
    Observer observer;
    std::atomic<uint32_t> begun{0};
    {
      Executor executor(request, memory, observer);
      const auto work = [&](uint32_t item, Place) {
        ++begun;
        executor.allocate(Purpose::weights, 4096);
        if (item == 10) throw Error(ErrorKind::refused, "no more");
      };
      CHECK_THROWS_WITH(executor.each(1'000'000, threads, 100, work), "no more");
    }
    CHECK(begun < 1'000'000);
    CHECK(memory.held() == 0);
  }
}

TEST_CASE("a plan that throws with reads in flight gives their memory back only when they have ended") {
  const Scratch scratch;
  Checkpoint checkpoint;
  constexpr uint64_t kBytes = 4u << 20;
  write_file(scratch / "file", std::string(kBytes, 'w'));
  checkpoint.files.push_back({scratch / "file", kBytes});
  const Options options;
  const Request request(checkpoint, Target{}, 1, options);
  for (const EngineChoice engine : {EngineChoice::any, EngineChoice::threads}) {
    CountingMemory memory;  // on malloc: a sanitizer sees a thread that writes to what was freed
    Observer observer;
    CHECK_THROWS_AS(
        [&] {
          Executor executor(request, memory, observer);
          executor.open_queue({8, 64u << 10, engine});
          for (int i = 0; i < 3; ++i)
            executor.start_read({0, 0, kBytes}, {executor.allocate(Purpose::staging, kBytes)});
          executor.finish_read();
          executor.opaque([](Memory&) { throw Error(ErrorKind::refused, "no more"); });
        }(),
        Error);
    CHECK(memory.held() == 0);
  }
}

TEST_CASE("a file that changed since it was opened is refused, not read") {
  const Scratch scratch;
  const Checkpoint checkpoint = make_checkpoint(scratch, 2);
  write_file(checkpoint.files[0].path, "short");
  const Options options;
  const Request request(checkpoint, Target{}, 1, options);
  CountingMemory memory;
  Observer observer;
  Executor executor(request, memory, observer);
  CHECK_THROWS_WITH(executor.map(0), ContainsSubstring("as when it was opened first"));
}

}  // namespace
}  // namespace weighbridge::test
