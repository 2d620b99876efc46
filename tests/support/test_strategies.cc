#include "tests/support/test_strategies.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <barrier>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "strategies/error.h"
#include "strategies/strategy.h"
#include "strategies/tensor_steps.h"
#include "tests/support/ground_truth.h"

namespace weighbridge::test {
namespace {

const std::string& option(const Request& request, std::string_view name) {
  return request.options.find(name)->second;
}

// Writes one byte a page, in a way that no compiler removes.
void touch(void* address, uint64_t pages) {
  for (uint64_t page = 0; page < pages; ++page) static_cast<volatile char*>(address)[page * kPageBytes] = 1;
}
void look(const void* address, uint64_t pages) {
  for (uint64_t page = 0; page < pages; ++page) (void)static_cast<const volatile char*>(address)[page * kPageBytes];
}

std::byte* map_memfd(uint64_t bytes) {
  const int memfd = memfd_create("weighbridge-test", MFD_CLOEXEC);
  if (memfd < 0 || ftruncate(memfd, static_cast<off_t>(bytes)) != 0) throw system_error("memfd_create", "test", errno);
  void* address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
  close(memfd);
  if (address == MAP_FAILED) throw system_error("mmap", "memfd:test", errno);
  return static_cast<std::byte*>(address);
}

class Carrier {
 public:
  explicit Carrier(const TruthPlan& plan, std::string file)
      : plan_(plan), file_(std::move(file)), addresses_(plan.ids) {}

  void carry_out(Phase phase, Memory& memory) {
    for (const Round& round : plan_.phases[static_cast<size_t>(phase)].rounds) {
      std::barrier all_made(static_cast<ptrdiff_t>(round.actions.size()));
      std::vector<std::thread> threads;
      for (const Action& action : round.actions) {
        threads.emplace_back([&] {
          make(action, memory);
          all_made.arrive_and_wait();
          unmake(action, memory);
        });
      }
      for (std::thread& thread : threads) thread.join();
    }
  }

 private:
  void make(const Action& action, Memory& memory) {
    const uint64_t bytes = action.pages * kPageBytes;
    void*& address = addresses_[action.id].address;
    switch (action.act) {
      case Act::keep:
      case Act::reserve:
      case Act::spike:
        address = memory.allocate(action.purpose, bytes);
        break;
      case Act::heap:
        address = std::aligned_alloc(kPageBytes, bytes);
        break;
      case Act::map: {
        const int descriptor = open(file_.c_str(), O_RDONLY | O_CLOEXEC);
        address = const_cast<std::byte*>(memory.map(descriptor, bytes));
        close(descriptor);
        look(address, action.touched);
        break;
      }
      case Act::shared:
        address = map_memfd(bytes);
        break;
      case Act::give:
        return;
    }
    addresses_[action.id].act = action.act;
    if (action.act != Act::map) touch(address, action.touched);
  }

  void unmake(const Action& action, Memory& memory) {
    const uint64_t bytes = action.pages * kPageBytes;
    if (action.act != Act::give && action.act != Act::spike) return;
    const Made made = addresses_[action.id];
    if (made.act == Act::map || made.act == Act::shared) {
      memory.unmap(static_cast<const std::byte*>(made.address), bytes);
    } else {
      memory.release(action.purpose, made.address, bytes);
    }
  }

  struct Made {
    void* address = nullptr;
    Act act = Act::keep;
  };
  const TruthPlan& plan_;
  const std::string file_;
  std::vector<Made> addresses_;
};

class Truth : public Strategy {
 public:
  std::string_view name() const override { return "truth"; }
  std::string_view mechanism() const override { return "a random plan of known memory"; }
  std::string_view cost() const override { return "as drawn"; }
  std::span<const OptionInfo> options() const override {
    static constexpr OptionInfo list[] = {{"seed", "1", "of the plan"}, {"file", "none", "to map"}};
    return list;
  }
  void plan(const Request& request, Steps& steps) const override {
    const TruthPlan truth = draw_truth(std::strtoull(option(request, "seed").c_str(), nullptr, 10));
    Carrier carrier(truth, option(request, "file"));
    for (const Phase phase : {Phase::load, Phase::use, Phase::release}) {
      if (phase != Phase::load) steps.enter(phase);
      steps.opaque([&](Memory& memory) { carrier.carry_out(phase, memory); });
    }
  }
};

class Seven : public Strategy {
 public:
  std::string_view name() const override { return "seven"; }
  std::string_view mechanism() const override { return "the ways of the truth table, by hand"; }
  std::string_view cost() const override { return "as known"; }
  std::span<const OptionInfo> options() const override {
    static constexpr OptionInfo list[] = {{"way", "eager", "which"}};
    return list;
  }
  void plan(const Request& request, Steps& steps) const override {
    const std::string way = option(request, "way");
    const CheckpointFile& file = request.checkpoint.files.at(0);
    const uint64_t pages = file.bytes / kPageBytes, bytes = pages * kPageBytes;
    std::byte *first = nullptr, *second = nullptr;
    const std::byte* mapping = nullptr;
    steps.opaque([&](Memory& memory) {
      const int descriptor = open(file.path.c_str(), O_RDONLY | O_CLOEXEC);
      const auto fill = [&](std::byte* to) {
        for (uint64_t at = 0; at < bytes;)
          at += static_cast<uint64_t>(
              pread(descriptor, to + at, std::min<uint64_t>(bytes - at, 1u << 20), static_cast<off_t>(at)));
      };
      if (way == "eager" || way == "double")
        fill(first = static_cast<std::byte*>(memory.allocate(Purpose::weights, bytes)));
      if (way == "double")
        std::memcpy(second = static_cast<std::byte*>(memory.allocate(Purpose::staging, bytes)), first, bytes);
      if (way.starts_with("mmap"))
        look(mapping = memory.map(descriptor, bytes), way == "mmap-tenth" ? pages / 10 : pages);
      if (way == "mmap-copy")
        std::memcpy(first = static_cast<std::byte*>(memory.allocate(Purpose::weights, bytes)), mapping, bytes);
      if (way == "reserve-tenth")
        touch(first = static_cast<std::byte*>(memory.allocate(Purpose::weights, bytes)), pages / 10);
      if (way == "memfd") fill(second = map_memfd(bytes));
      close(descriptor);
    });
    steps.enter(Phase::use);
    steps.enter(Phase::release);
    steps.opaque([&](Memory& memory) {
      if (first != nullptr) memory.release(Purpose::weights, first, bytes);
      if (way == "double") memory.release(Purpose::staging, second, bytes);
      if (way == "memfd") memory.unmap(second, bytes);
      if (mapping != nullptr) memory.unmap(mapping, bytes);
    });
  }
};

class Flip : public Strategy {
 public:
  std::string_view name() const override { return "flip"; }
  std::string_view mechanism() const override { return "eager, with one wrong byte"; }
  std::string_view cost() const override { return "T"; }
  std::span<const OptionInfo> options() const override {
    static constexpr OptionInfo list[] = {{"tensor", "0", "which tensor"}};
    return list;
  }
  void plan(const Request& request, Steps& steps) const override {
    const auto wrong = static_cast<uint32_t>(std::strtoul(option(request, "tensor").c_str(), nullptr, 10));
    std::vector<Spot> weights;
    for (uint32_t tensor = 0; tensor < request.layouts.size(); ++tensor) {
      weights.push_back({load_tensor(request, steps, tensor)});
      if (tensor != wrong) continue;
      // The file's ninth byte is a brace and no weight of the test's checkpoint has it there.
      steps.read_file({request.checkpoint.tensors[tensor].extent.file, 8, 1},
                      {weights.back().place, request.layouts[tensor].loaded_bytes / 2});
    }
    use_and_release(request, steps, weights);
  }
};

class Crash : public Strategy {
 public:
  std::string_view name() const override { return "crash"; }
  std::string_view mechanism() const override { return "dies"; }
  std::string_view cost() const override { return "none"; }
  std::span<const OptionInfo> options() const override {
    static constexpr OptionInfo list[] = {{"at", "load", "phase"}};
    return list;
  }
  void plan(const Request& request, Steps& steps) const override {
    for (const Phase phase : {Phase::load, Phase::use, Phase::release}) {
      if (phase != Phase::load) steps.enter(phase);
      const bool here = option(request, "at") == weighbridge::name(phase);
      steps.opaque([here](Memory&) {
        if (here) raise(SIGSEGV);
      });
    }
  }
};

class Hang : public Strategy {
 public:
  std::string_view name() const override { return "hang"; }
  std::string_view mechanism() const override { return "holds memory and never ends"; }
  std::string_view cost() const override { return "bytes"; }
  std::span<const OptionInfo> options() const override {
    static constexpr OptionInfo list[] = {{"bytes", "64MiB", "touched and held"}, {"at", "load", "phase"}};
    return list;
  }
  void plan(const Request& request, Steps& steps) const override {
    const uint64_t bytes = parse_bytes(option(request, "bytes"), "hang:bytes");
    for (const Phase phase : {Phase::load, Phase::use, Phase::release}) {
      if (phase != Phase::load) steps.enter(phase);
      if (option(request, "at") != weighbridge::name(phase)) continue;
      steps.opaque([&](Memory& memory) {
        touch(memory.allocate(Purpose::weights, bytes), bytes / kPageBytes);
        for (;;) pause();
      });
    }
  }
};

// Touches memory in small blocks, by several threads, until it is stopped: weights in the shared page are the truth,
// but for the block that each thread is about to touch.
class Grow : public Strategy {
 public:
  std::string_view name() const override { return "grow"; }
  std::string_view mechanism() const override { return "takes memory until it is stopped"; }
  std::string_view cost() const override { return "all there is"; }
  std::span<const OptionInfo> options() const override {
    static constexpr OptionInfo list[] = {{"threads", "1", "that take it"}, {"most", "1GiB", "each"}};
    return list;
  }
  void plan(const Request& request, Steps& steps) const override {
    const int threads = std::atoi(option(request, "threads").c_str());
    const uint64_t most = parse_bytes(option(request, "most"), "grow:most");
    steps.opaque([&](Memory& memory) {
      constexpr uint64_t kBlock = 64 << 10;
      std::vector<std::thread> takers;
      for (int thread = 0; thread < threads; ++thread) {
        takers.emplace_back([&] {
          for (uint64_t taken = 0; taken < most; taken += kBlock) {
            touch(memory.allocate(Purpose::weights, kBlock), kBlock / kPageBytes);
          }
        });
      }
      for (std::thread& taker : takers) taker.join();
    });
    steps.enter(Phase::use);
    steps.enter(Phase::release);
  }
};

}  // namespace

void add_test_strategies() {
  static const Truth truth;
  static const Seven seven;
  static const Flip flip;
  static const Crash crash;
  static const Hang hang;
  static const Grow grow;
  for (const Strategy* strategy : {static_cast<const Strategy*>(&truth), static_cast<const Strategy*>(&seven),
                                   static_cast<const Strategy*>(&flip), static_cast<const Strategy*>(&crash),
                                   static_cast<const Strategy*>(&hang), static_cast<const Strategy*>(&grow)}) {
    add_strategy(strategy);
  }
}

}  // namespace weighbridge::test
