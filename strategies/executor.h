// Carries a plan out: each step becomes an allocation, a read, a conversion, a mapping on a Memory.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "strategies/checkpoint/reader.h"
#include "strategies/plan.h"
#include "strategies/strategy.h"

namespace weighbridge {

// What somebody who runs a plan may want to hear of it. Called from the loading thread.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void entering(Phase) {}
  virtual void read(uint64_t /*bytes*/) {}  // from the checkpoint: by read() or through a mapping
  // A tensor was read whole in `use`; the hash is tensor_hash of its delivered bytes. May throw Error(wrong_bytes).
  virtual void used(uint32_t /*tensor*/, uint64_t /*hash*/) {}
};

class Executor : public Steps {
 public:
  // All three must outlive it. What a plan leaves allocated when it throws goes back in the destructor.
  Executor(const Request& request, Memory& memory, Observer& observer);
  ~Executor() override;

  void enter(Phase phase) override;
  Place allocate(Purpose purpose, uint64_t bytes) override;
  void free(Place buffer) override;
  Place map(uint32_t file) override;
  void unmap(Place mapping) override;
  void drop(Place mapping, const Extent& extent) override;
  void read(const Extent& extent, Spot to) override;
  void deliver(uint32_t tensor, uint64_t begin, uint64_t bytes, Spot from, Place tensor_buffer) override;
  void use(uint32_t tensor, Spot at) override;
  void opaque(const std::function<void(Memory&)>& work) override;

 private:
  struct Held {  // a buffer or a mapping; address is null for an empty buffer and after it was given back
    std::byte* address = nullptr;
    uint64_t bytes = 0;
    Purpose purpose = Purpose::weights;
    bool mapping = false;
  };

  Place hold(Held held);
  void give_back(Held& held);
  std::byte* address(Spot spot);
  const File& file(uint32_t index);

  const Request& request_;
  Memory& memory_;
  Observer& observer_;
  std::vector<Held> held_;
  std::vector<uint32_t> vacant_;  // ids to use again
  std::optional<File> file_;      // one descriptor at a time: a set may have more shards than a process may have files
  uint32_t file_index_ = 0;
};

}  // namespace weighbridge
