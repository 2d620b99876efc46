// Carries a plan out: each step becomes an allocation, a read, a conversion, a mapping on a Memory.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "strategies/checkpoint/tensor_reader.h"
#include "strategies/io/read_queue.h"
#include "strategies/plan.h"
#include "strategies/strategy.h"

namespace weighbridge {

// What somebody who runs a plan may want to hear of it. Called from the loading thread.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void entering(Phase) {}
  virtual void read(uint64_t /*bytes*/) {}  // from the checkpoint: by read() or through a mapping
  // Something a person should know of how it was read: by what engine, what the kernel refused.
  virtual void remark(const Remark&) {}
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
  void advise(Place mapping, Advice advice) override;
  void drop(Place mapping, const Extent& extent) override;
  void read_file(const Extent& extent, Spot to) override;
  void read(uint32_t tensor, uint64_t begin, uint64_t bytes, Spot to) override;
  void open_queue(const QueueSettings& settings) override;
  void start_read(const Extent& extent, Spot to) override;
  void finish_read() override;
  void close_queue() override;
  void fall_back(uint32_t) override {}  // the predictor counts them
  void deliver(uint32_t tensor, uint64_t begin, uint64_t bytes, Spot from, Spot tensor_at) override;
  void use(uint32_t tensor, Spot at) override;
  void opaque(const std::function<void(Memory&)>& work) override;

  // Where a spot of what is held lies now; null for an empty buffer.
  std::byte* address(Spot spot) const;
  // Closes what is open of the checkpoint, for a plan that has come to its end and is kept.
  void close_files() { reader_.close(); }

 private:
  struct Held {  // a buffer or a mapping; address is null for an empty buffer and after it was given back
    std::byte* address = nullptr;
    uint64_t bytes = 0;
    Purpose purpose = Purpose::weights;
    bool mapping = false;
  };

  template <class Read>
  void in_pieces(uint64_t bytes, const Read& read);
  Place hold(Held held);
  void give_back(Held& held);

  const Request& request_;
  Memory& memory_;
  Observer& observer_;
  std::vector<Held> held_;
  std::vector<uint32_t> vacant_;  // ids to use again
  TensorReader reader_;
  std::optional<ReadQueue> queue_;
};

}  // namespace weighbridge
