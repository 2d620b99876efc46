// Carries a plan out: each step becomes an allocation, a read, a conversion, a mapping on a Memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "strategies/checkpoint/tensor_reader.h"
#include "strategies/helper_thread.h"
#include "strategies/io/read_queue.h"
#include "strategies/plan.h"
#include "strategies/sidecar.h"
#include "strategies/strategy.h"

namespace weighbridge {

// What somebody who runs a plan may want to hear of it. `read` is called from all loading threads, the others from the
// one that runs the plan.
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
  std::optional<Place> find_file(const Sidecar& sidecar) override;
  Place make_file(const Sidecar& sidecar) override;
  Place keep_file(const Sidecar& sidecar, Place made) override;
  void read_file(const Extent& extent, Spot to) override;
  void read(uint32_t tensor, uint64_t begin, uint64_t bytes, Spot to) override;
  void open_queue(const QueueSettings& settings) override;
  void start_read(const Extent& extent, Spot to) override;
  void finish_read() override;
  void close_queue() override;
  void fall_back(uint32_t) override {}  // the predictor counts them
  void deliver(uint32_t tensor, uint64_t begin, uint64_t bytes, Spot from, Spot tensor_at) override;
  void read_and_deliver(uint32_t tensor, uint64_t begin, uint64_t bytes, Spot staging, Spot tensor_at) override;
  void use(uint32_t tensor, Spot at) override;
  void each(uint32_t count, unsigned threads, uint64_t scratch_bytes,
            const std::function<void(uint32_t, Place)>& work) override;
  void use_foreign(uint32_t tensor, const std::byte* at) override;
  void opaque(const std::function<void(Memory&)>& work) override;

  // Where a spot of what is held lies now; null for an empty buffer.
  std::byte* address(Spot spot) const;
  // Closes what is open of the checkpoint, for a plan that has come to its end and is kept.
  void close_files() { readers_.clear(); }

 private:
  struct Held {  // a buffer or a mapping; address is null for an empty buffer and after it was given back
    std::byte* address = nullptr;
    uint64_t bytes = 0;
    Purpose purpose = Purpose::weights;
    bool mapping = false;
    std::shared_ptr<Sidecar::Making> making = nullptr;  // of a file on its way; with the last of it goes the file
  };

  template <class Read>
  void in_pieces(uint64_t bytes, const Read& read);
  static void place(const Layout& layout, uint64_t begin, uint64_t bytes, const std::byte* from, std::byte* tensor);
  Place hold(Held held);
  Held held(Place place) const;
  void give_back(const Held& held);
  TensorReader& reader();  // the calling thread's

  const Request& request_;
  Memory& memory_;
  Observer& observer_;
  mutable std::mutex mutex_;  // of the three below
  std::vector<Held> held_;
  std::vector<uint32_t> vacant_;                        // ids to use again
  std::vector<std::unique_ptr<TensorReader>> readers_;  // by thread of `each`
  HelperThread helper_;
  std::optional<ReadQueue> queue_;
};

}  // namespace weighbridge
