// Every strategy, executed and predicted, on checkpoints drawn at random.
#include <map>

#include "strategies/error.h"
#include "strategies/executor.h"
#include "strategies/predictor.h"
#include "strategies/strategy.h"
#include "tests/strategies/plans/counting_memory.h"
#include "tests/strategies/plans/made_checkpoint.h"
#include "tests/support/catch.h"

namespace weighbridge::test {
namespace {

class Collector : public Observer {
 public:
  void used(uint32_t tensor, uint64_t hash) override { hashes[tensor].push_back(hash); }
  void entering(Phase phase) override { phases.push_back(phase); }
  std::map<uint32_t, std::vector<uint64_t>> hashes;
  std::vector<Phase> phases;
};

constexpr const char* kChoices[] = {"state-dict",
                                    "convert-after",
                                    "eager",
                                    "stream",
                                    "stream:chunk=1000",
                                    "stream:chunk=1",
                                    "mmap",
                                    "lazy",
                                    "lazy:budget=64KiB",
                                    "lazy:budget=1",
                                    "mmap:advice=populate",
                                    "mmap:advice=random",
                                    "mmap-drop",
                                    "layerwise",
                                    "direct",
                                    "direct:chunk=4KiB,depth=3",
                                    "direct:depth=1,engine=threads"};

TEST_CASE(
    "every strategy delivers the reference's bytes in every pass, and its prediction is what it allocates, to the "
    "byte") {
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    const Scratch scratch;
    const Checkpoint checkpoint = make_checkpoint(scratch, seed);
    for (const TargetInfo& target : targets()) {
      auto expected = reference_of(checkpoint, target.target);
      for (const char* text : kChoices) {
        if (std::string(text) == "stream:chunk=1" && seed > 3) continue;  // a system call an element: a few will do
        INFO("seed " << seed << ", " << text << ", " << target.name);
        const Choice choice = parse_choice(text);
        const Request request(checkpoint, target.target, 2, choice.options);
        const auto prediction = predict(*choice.strategy, request);
        REQUIRE(prediction);
        CountingMemory memory;
        Collector collector;
        {
          Executor executor(request, memory, collector);
          choice.strategy->plan(request, executor);
        }
        CHECK(memory.held() == 0);
        CHECK(memory.mappings() == 0);
        CHECK(memory.peak() == prediction->weights + prediction->staging);
        CHECK(collector.phases == std::vector<Phase>{Phase::use, Phase::release});
        REQUIRE(collector.hashes.size() == checkpoint.tensors.size());
        for (const auto& [tensor, hashes] : collector.hashes) {
          CHECK(hashes == std::vector<uint64_t>(2, expected[tensor]));
        }
      }
    }
  }
}

TEST_CASE("several threads deliver the same bytes, and what they hold at once lies in the predicted range") {
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    const Scratch scratch;
    const Checkpoint checkpoint = make_checkpoint(scratch, seed);
    for (const TargetInfo& target : targets()) {
      auto expected = reference_of(checkpoint, target.target);
      for (const Strategy* strategy : strategies()) {
        for (const std::string threads : {"2", "7"}) {
          const auto options = strategy->options();
          if (std::none_of(options.begin(), options.end(), [](const auto& one) { return one.name == "threads"; }))
            break;
          INFO("seed " << seed << ", " << strategy->name() << ", " << threads << " threads, " << target.name);
          const Choice choice = parse_choice(std::string(strategy->name()) + ":threads=" + threads);
          const Request request(checkpoint, target.target, 1, choice.options);
          const auto prediction = predict(*choice.strategy, request);
          REQUIRE(prediction);
          CHECK(prediction->least_need <= prediction->need);
          CountingMemory memory;
          Collector collector;
          {
            Executor executor(request, memory, collector);
            choice.strategy->plan(request, executor);
          }
          CHECK(memory.held() == 0);
          CHECK(memory.mappings() == 0);
          CHECK(memory.peak() <= prediction->weights + prediction->staging);
          CHECK(memory.peak() + prediction->overhead >= prediction->least_need);
          for (const auto& [tensor, hashes] : collector.hashes) {
            CHECK(hashes == std::vector<uint64_t>(1, expected[tensor]));
          }
        }
      }
    }
  }
}

TEST_CASE("mmap says of which tensors it reads instead, and why; what can be mapped it maps") {
  uint64_t fallen = 0, shared = 0;
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    const Scratch scratch;
    const Checkpoint checkpoint = make_checkpoint(scratch, seed);
    uint64_t encoded = 0;
    for (const Tensor& tensor : checkpoint.tensors) {
      if (tensor.same_as != Tensor::kItself) {
        ++shared;
      } else if (!tensor.plain()) {
        encoded += tensor.bytes();
      }
    }
    const Choice choice = parse_choice("mmap");
    const auto prediction = predict(*choice.strategy, Request(checkpoint, Target{}, 1, choice.options));
    REQUIRE(prediction);
    uint64_t told = 0;
    for (const auto& [reason, bytes] : prediction->fallen_back) {
      CHECK(reason == "written backwards");
      told += bytes;
    }
    CHECK(told == encoded);
    CHECK((prediction->weights > 0) == (encoded > 0));
    fallen += told;
  }
  CHECK(fallen > 0);
  CHECK(shared > 10);
}

TEST_CASE("tensors that share their elements are loaded once, by every strategy") {
  const Scratch scratch;
  Checkpoint checkpoint;
  checkpoint.path = scratch.path();
  constexpr uint64_t kBytes = 1u << 20;
  write_file(scratch / "file", std::string(kBytes, '\x01'));
  checkpoint.files.push_back({scratch / "file", kBytes});
  for (uint32_t number = 0; number < 4; ++number) {
    checkpoint.tensors.push_back({.name = std::to_string(number),
                                  .shape = {512, 512},
                                  .extent = {0, 0, kBytes},
                                  .encoding = {},
                                  .same_as = number == 0 ? Tensor::kItself : 0});
  }
  CHECK(checkpoint.stored_bytes() == kBytes);
  for (const char* text : kChoices) {
    const Choice choice = parse_choice(text);
    const auto prediction = predict(*choice.strategy, Request(checkpoint, Target{Dtype::f16}, 2, choice.options));
    INFO(text);
    CHECK(prediction->weights == kBytes / 2);
  }
}

TEST_CASE("needs are what the table says: S + T, S, T, a chunk more, nothing") {
  const Scratch scratch;
  Checkpoint checkpoint;
  checkpoint.path = scratch.path();
  constexpr uint64_t kBytes = 1u << 20;
  std::string bytes(4096, 'h');
  for (int number = 0; number < 8; ++number) {
    checkpoint.tensors.push_back(
        {.name = std::to_string(number), .shape = {512, 512}, .extent = {0, bytes.size(), kBytes}, .encoding = {}});
    bytes += std::string(kBytes, '\x01');
  }
  write_file(scratch / "file", bytes);
  checkpoint.files.push_back({scratch / "file", bytes.size()});
  const auto need = [&](const char* text, const char* dtype) {
    const Choice choice = parse_choice(text);
    const auto prediction = predict(*choice.strategy, Request(checkpoint, *parse_target(dtype), 1, choice.options));
    return prediction->weights + prediction->staging;
  };
  const uint64_t stored = 8 * kBytes, half = stored / 2;
  CHECK(need("state-dict", "native") == 2 * stored);
  CHECK(need("state-dict", "f16") == stored + half);
  CHECK(need("convert-after", "native") == stored);
  CHECK(need("convert-after", "f16") == stored + half);
  CHECK(need("eager", "native") == stored);
  CHECK(need("eager", "f16") == half + kBytes);
  CHECK(need("stream:chunk=64KiB", "f16") == half + 65536);
  const uint64_t eight_bits = 8 * (512 * 512 / 32 * 34);  // each a whole number of pages
  CHECK(need("eager", "q8_0") == eight_bits + kBytes);
  CHECK(need("stream:chunk=64KiB", "q8_0") == eight_bits + 65536);
  CHECK(need("mmap", "native") == 0);
  CHECK(need("mmap", "f16") == half);
  CHECK(need("lazy", "native") == stored);
  CHECK(need("lazy:budget=2MiB", "native") == 2 * kBytes);
  CHECK(need("lazy:budget=2MiB", "f16") == 2 * kBytes + kBytes);  // what is kept, and one staging copy
  const Choice mmap = parse_choice("mmap");
  CHECK(predict(*mmap.strategy, Request(checkpoint, Target{}, 1, mmap.options))->reclaimable == stored);
}

}  // namespace
}  // namespace weighbridge::test
