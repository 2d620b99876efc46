#include "strategies/helper_thread.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <initializer_list>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "strategies/dtype/dtype.h"
#include "strategies/executor.h"
#include "strategies/reference.h"
#include "strategies/strategy.h"
#include "tests/support/catch.h"
#include "tests/support/program.h"

namespace weighbridge::test {
namespace {

TEST_CASE("every piece is done once, whichever thread takes it, and the thread serves again") {
  HelperThread helper;
  for (const uint64_t count : std::initializer_list<uint64_t>{0, 1, 2, 3, 1000}) {
    for (int again = 0; again < 20; ++again) {
      std::vector<std::atomic<int>> done(count);
      helper.share(count, [&](uint64_t piece) { ++done[piece]; });
      for (const auto& times : done) CHECK(times == 1);
    }
  }
}

TEST_CASE("two threads take pieces where there are two processors") {
  if (std::thread::hardware_concurrency() < 2) {
    std::printf("not tried: two threads at pieces, as this process has one processor\n");
    return;
  }
  HelperThread helper;
  std::mutex mutex;
  std::condition_variable changed;
  std::set<std::thread::id> threads;
  helper.share(2, [&](uint64_t) {  // each waits for the other
    std::unique_lock lock(mutex);
    threads.insert(std::this_thread::get_id());
    changed.notify_all();
    changed.wait_for(lock, std::chrono::minutes(1), [&] { return threads.size() == 2; });
  });
  CHECK(threads.size() == 2);
}

TEST_CASE("the first error of a piece is thrown again, no piece begins after it, and the thread serves again") {
  HelperThread helper;
  for (int again = 0; again < 50; ++again) {
    std::atomic<int> begun{0};
    CHECK_THROWS_WITH(helper.share(100000,
                                   [&](uint64_t piece) {
                                     ++begun;
                                     if (piece == 10) throw std::runtime_error("piece 10");
                                   }),
                      "piece 10");
    CHECK(begun < 100000);
  }
  std::atomic<int> done{0};
  helper.share(10, [&](uint64_t) { ++done; });
  CHECK(done == 10);
}

TEST_CASE("a caller that finds the helper taken does its pieces alone") {
  HelperThread helper;
  std::atomic<int> done{0};
  {
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < 4; ++caller) {
      callers.emplace_back([&] {
        for (int again = 0; again < 50; ++again) helper.share(20, [&](uint64_t) { ++done; });
      });
    }
  }
  CHECK(done == 4 * 50 * 20);
}

TEST_CASE("a tensor of many pieces arrives as the reference reads it, and all of it was read once") {
  const Scratch scratch;
  // A row of 300 KiB is more than a piece, and a tensor's end is no whole one.
  const std::vector<std::vector<uint64_t>> shapes = {{7, 76803}, {1000003}, {3, 100000}};
  Checkpoint checkpoint;
  std::vector<float> values;
  for (const auto& shape : shapes) {
    const uint64_t count = element_count(shape).value();
    Tensor tensor;
    tensor.name = "t" + std::to_string(checkpoint.tensors.size());
    tensor.shape = shape;
    tensor.extent = {0, values.size() * sizeof(float), count * sizeof(float)};
    checkpoint.tensors.push_back(tensor);
    for (uint64_t i = 0; i < count; ++i) {
      values.push_back(static_cast<float>(static_cast<int64_t>(i * 2654435761U % 20011) - 10000) / 8192.0F);
    }
  }
  const std::string path = scratch.path() + "/model.bin";
  std::FILE* file = std::fopen(path.c_str(), "wb");
  REQUIRE(std::fwrite(values.data(), sizeof(float), values.size(), file) == values.size());
  std::fclose(file);
  checkpoint.files.push_back({path, values.size() * sizeof(float)});

  class Seen : public Observer {
   public:
    void read(uint64_t bytes) override { read_bytes += bytes; }
    void used(uint32_t tensor, uint64_t hash) override { hashes[tensor] = hash; }
    std::atomic<uint64_t> read_bytes{0};
    std::vector<uint64_t> hashes = std::vector<uint64_t>(3);
  };
  for (const TargetInfo& target : targets()) {
    std::vector<uint64_t> expected(3);
    make_reference(
        checkpoint, std::span(&target.target, 1),
        [&](size_t, uint32_t tensor, uint64_t hash) { expected[tensor] = hash; }, [](uint64_t) {});
    for (const char* text : {"stream", "stream:chunk=1MiB", "eager", "lazy"}) {
      INFO(text << ", " << target.name);
      const Choice choice = parse_choice(text);
      const Request request(checkpoint, target.target, 1, choice.options);
      PlainMemory memory;
      Seen seen;
      {
        Executor executor(request, memory, seen);
        choice.strategy->plan(request, executor);
      }
      CHECK(seen.hashes == expected);
      CHECK(seen.read_bytes == values.size() * sizeof(float));
    }
  }
}

}  // namespace
}  // namespace weighbridge::test
