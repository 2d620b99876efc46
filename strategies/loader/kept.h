// A plan carried out whose weights stay.
//
// A strategy's plan goes on to use the weights and to release them; a person who asks for weights wants to do both
// herself. So this stands between the plan and its executor and passes each step on, except three: `use` only notes
// where the tensor lies, and from then on that buffer or mapping is neither freed nor unmapped. What the plan gives
// back and never used (staging, chunks, a mapping that was converted from) goes back as in a trial: need and prediction
// are the strategy's own. The executor owns what stayed, and gives it back when this is destroyed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "strategies/executor.h"
#include "strategies/loader/model.h"
#include "strategies/loader/page_memory.h"

namespace weighbridge {

// Where a tensor lies: layout.loaded_bytes at `address`, which means nothing where that is 0.
struct Delivered {
  uint32_t tensor = 0;
  std::byte* address = nullptr;
  bool mapped = false;
};

class Kept : private Steps {
 public:
  // Runs the strategy's plan on the model. Throws what it throws, and then nothing stays.
  Kept(std::shared_ptr<const OpenModel> model, const Strategy& strategy, Write write = Write::copy);
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

  // What the plan used, in its order.
  const std::vector<Delivered>& delivered() const { return delivered_; }
  // Waits until changes to the mappings that stayed are on disk. Throws Error (environment).
  void flush() const;

 private:
  struct Mapping {
    Place place;
    uint32_t file = 0;
  };

  void enter(Phase) override {}
  Place allocate(Purpose purpose, uint64_t bytes) override { return executor_.allocate(purpose, bytes); }
  void free(Place buffer) override;
  Place map(uint32_t file) override;
  void unmap(Place mapping) override;
  void drop(Place mapping, const Extent& extent) override { executor_.drop(mapping, extent); }
  void read_file(const Extent& extent, Spot to) override { executor_.read_file(extent, to); }
  void read(uint32_t tensor, uint64_t begin, uint64_t bytes, Spot to) override {
    executor_.read(tensor, begin, bytes, to);
  }
  void fall_back(uint32_t tensor) override { executor_.fall_back(tensor); }
  void deliver(uint32_t tensor, uint64_t begin, uint64_t bytes, Spot from, Place tensor_buffer) override {
    executor_.deliver(tensor, begin, bytes, from, tensor_buffer);
  }
  void use(uint32_t tensor, Spot at) override;
  void opaque(const std::function<void(Memory&)>& work) override { executor_.opaque(work); }

  bool stays(Place place) const { return place.id < stays_.size() && stays_[place.id]; }

  const std::shared_ptr<const OpenModel> model_;
  PageMemory memory_;
  Observer nobody_;
  Executor executor_;
  std::vector<bool> stays_;  // by Place::id; an id whose place stays is never used again
  std::vector<Mapping> mappings_;
  std::vector<Delivered> delivered_;
};

}  // namespace weighbridge
