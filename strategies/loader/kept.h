// A plan carried out whose weights stay (keep_used.h): `use` only notes where each tensor lies. What the plan gives
// back and never used (staging, chunks, a mapping that was converted from) goes back as in a trial. The executor owns
// what stayed, and gives it back when this is destroyed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
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

class Kept {
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
  class Noting;

  const std::shared_ptr<const OpenModel> model_;
  PageMemory memory_;
  Observer nobody_;
  Executor executor_;
  std::vector<Mapping> mappings_;
  std::vector<Delivered> delivered_;
};

}  // namespace weighbridge
