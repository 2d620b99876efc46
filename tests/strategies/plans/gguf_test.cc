// Every strategy on GGUF files with a tensor of each of ggml's types, in either byte order: big-endian ones have to be
// decoded, blocks dequantised, other types left as they are.
#include <fmt/format.h>

#include <cstdlib>
#include <iostream>
#include <map>

#include "strategies/error.h"
#include "strategies/executor.h"
#include "strategies/predictor.h"
#include "strategies/reference.h"
#include "strategies/strategy.h"
#include "tests/strategies/plans/counting_memory.h"
#include "tests/support/catch.h"
#include "tests/support/program.h"

namespace weighbridge::test {
namespace {

class Hashes : public Observer {
 public:
  void used(uint32_t tensor, uint64_t hash) override { by_tensor[tensor] = hash; }
  void entering(Phase) override {}
  std::map<uint32_t, uint64_t> by_tensor;
};

std::map<uint32_t, uint64_t> reference(const Checkpoint& checkpoint, Target target, uint64_t& kept_native) {
  std::map<uint32_t, uint64_t> hashes;
  kept_native = make_reference(
                    checkpoint, std::span(&target, 1),
                    [&](size_t, uint32_t tensor, uint64_t hash) { hashes[tensor] = hash; }, [](uint64_t) {})
                    .at(0)
                    .kept_native;
  return hashes;
}

TEST_CASE("every strategy delivers a GGUF file's tensors as the reference does, in either byte order") {
  const Scratch scratch;
  if (std::system("/usr/bin/python3 -c '' >/dev/null 2>&1") != 0) {
    std::cout << "skipped: no /usr/bin/python3, which writes the GGUF files\n";
    return;
  }
  REQUIRE(std::system(fmt::format("/usr/bin/python3 '{}/tests/strategies/checkpoint/write_gguf.py' '{}' > /dev/null",
                                  WEIGHBRIDGE_SOURCE_DIR, scratch.path())
                          .c_str()) == 0);
  const Checkpoint little = open_checkpoint(scratch / "little.gguf");
  const Checkpoint big = open_checkpoint(scratch / "big.gguf");
  REQUIRE(little.tensors.size() == 68);
  setenv("XDG_CACHE_HOME", (scratch / "cache").c_str(), 1);  // where cached-mmap leaves its files
  uint64_t none = 0;
  const auto native = reference(little, Target{}, none);
  for (const TargetInfo& target : targets()) {
    uint64_t kept_native = 0;
    const auto expected = reference(little, target.target, kept_native);
    CHECK(expected.size() == 68);
    CHECK(reference(big, target.target, kept_native) == expected);  // whose tensors stand in the same order
    // Of 34 types 14 convert, two tensors of each. To blocks, only what has rows that divide into them: one tensor each
    // of the ten types that are blocks themselves.
    const bool to_blocks = target.target.dtype && block(*target.target.dtype).elements > 1;
    CHECK(kept_native == (to_blocks ? 57 : target.target.dtype ? 40 : 0));
    for (const auto& [tensor, hash] : expected) {
      if (little.tensors[tensor].dtype == target.target.dtype) CHECK(hash == native.at(tensor));
    }
    for (const Checkpoint* checkpoint : {&little, &big}) {
      for (const Strategy* strategy : strategies()) {
        INFO(checkpoint->path << ", " << strategy->name() << ", " << target.name);
        const Choice choice = parse_choice(strategy->name());
        const Request request(*checkpoint, target.target, 1, choice.options);
        CountingMemory memory;
        Hashes hashes;
        {
          Executor executor(request, memory, hashes);
          choice.strategy->plan(request, executor);
        }
        CHECK(hashes.by_tensor == expected);
        CHECK(memory.held() == 0);
      }
    }
  }
}

}  // namespace
}  // namespace weighbridge::test
