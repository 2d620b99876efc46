// A plug-in's plan in this process: several times one after the other, and what it leaves behind.
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "strategies/executor.h"
#include "strategies/plugin/plugin_library.h"
#include "strategies/predictor.h"
#include "strategies/reference.h"
#include "tests/plugin/built_plugin.h"
#include "tests/support/catch.h"
#include "tests/support/program.h"

namespace weighbridge::test {
namespace {

class CountingMemory : public PlainMemory {
 public:
  ~CountingMemory() override {
    for (void* address : live) std::free(address);
  }
  void* allocate(Purpose purpose, size_t bytes) override {
    void* address = PlainMemory::allocate(purpose, bytes);
    const std::lock_guard lock(mutex_);  // a plug-in may call from any thread
    live.insert(address);
    return address;
  }
  void release(Purpose purpose, void* address, size_t bytes) override {
    {
      const std::lock_guard lock(mutex_);
      live.erase(address);
    }
    PlainMemory::release(purpose, address, bytes);
  }
  std::set<void*> live;

 private:
  std::mutex mutex_;
};

class Hashes : public Observer {
 public:
  void entering(Phase phase) override { phases.push_back(phase); }
  void used(uint32_t tensor, uint64_t hash) override { by_tensor[tensor] = hash; }
  std::map<uint32_t, uint64_t> by_tensor;
  std::vector<Phase> phases;
};

std::vector<std::string>& told() {
  static std::vector<std::string> list;
  return list;
}

// The library is loaded once in this process, as in a worker.
const PluginLibrary& library() {
  static const PluginLibrary* loaded = [] {
    auto* made = new PluginLibrary(built_plugin("tests/plugin/faulty.c"),
                                   [](std::string_view what) { told().emplace_back(what); });
    made->add_strategies();
    return made;
  }();
  return *loaded;
}

TEST_CASE("a plug-in's plan runs several times in one process, with the reference's bytes, and leaves nothing") {
  REQUIRE(library().info().strategies.size() == 4);
  const Checkpoint checkpoint = open_checkpoint(small_gpt2());
  for (const char* dtype : {"native", "int8"}) {
    const Target target = *parse_target(dtype);
    std::map<uint32_t, uint64_t> expected;
    make_reference(
        checkpoint, std::vector<Target>{target},
        [&](size_t, uint32_t tensor, uint64_t hash) { expected[tensor] = hash; }, [](uint64_t) {});
    for (const char* strategy : {"faulty", "faulty-lazy", "faulty-threads"}) {
      const Choice choice = parse_choice(strategy);
      const Request request(checkpoint, target, 2, choice.options);
      CHECK_FALSE(predict(*choice.strategy, request).has_value());
      CountingMemory memory;
      for (int time = 0; time < 3; ++time) {
        Hashes hashes;
        Executor executor(request, memory, hashes);
        choice.strategy->plan(request, executor);
        CHECK(hashes.by_tensor == expected);
        CHECK(hashes.phases == std::vector<Phase>{Phase::use, Phase::release});
        CHECK(memory.live.empty());
      }
    }
  }
}

TEST_CASE("whoever watches is told what the plug-in is at, and when it is not") {
  library();
  told().clear();
  const Checkpoint checkpoint = open_checkpoint(small_gpt2());
  const Choice choice = parse_choice("faulty:fault=fail,at=release");
  const Request request(checkpoint, Target(), 1, choice.options);
  CountingMemory memory;
  Observer nobody;
  Executor executor(request, memory, nobody);
  CHECK_THROWS_WITH(choice.strategy->plan(request, executor), ContainsSubstring("the coffee is out"));
  REQUIRE(told().size() == 2 * (2 + checkpoint.tensors.size()));
  CHECK(told().front() == "while the plug-in's load() ran");
  CHECK(told()[told().size() - 2] == "while the plug-in's release() ran");
  for (size_t index = 1; index < told().size(); index += 2) CHECK(told()[index].empty());
  CHECK_FALSE(memory.live.empty());  // what was not given back is there: that is a leak
}

}  // namespace
}  // namespace weighbridge::test
