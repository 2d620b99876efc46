// A strategy is a plan: steps in order, and nothing else.
//
// The strategy speaks its steps to a `Steps`. The executor (executor.h) carries each one out on a Memory; the predictor
// (predictor.h) only counts and returns the largest sum it passes. The same code speaks to both, so a prediction cannot
// drift from what is done: closed formulas did, by up to 147 MiB on GPT-2, because a peak falls between two tensors.
// Steps are spoken, not stored: a list of them for 100,000 tensors would itself be a weight on the scales.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/io/queue_settings.h"
#include "strategies/memory.h"

namespace weighbridge {

enum class Phase : uint8_t { open, load, use, release };
constexpr int kPhases = 4;
const char* name(Phase phase);

// Memory that the plan has allocated, or a file that it has mapped.
struct Place {
  enum class Kind : uint8_t { buffer, mapping } kind = Kind::buffer;
  uint32_t id = 0;
};

// Where something lies: `offset` bytes into a place.
struct Spot {
  Place place;
  uint64_t offset = 0;
};

class Sidecar;

class Steps {
 public:
  virtual ~Steps() = default;

  // `load` begins by itself. A plan enters `use`, then `release`, once each, in this order.
  virtual void enter(Phase phase) = 0;

  // 0 bytes are allowed: nothing is allocated then.
  virtual Place allocate(Purpose purpose, uint64_t bytes) = 0;
  virtual void free(Place buffer) = 0;

  virtual Place map(uint32_t file) = 0;
  virtual void unmap(Place mapping) = 0;
  virtual void advise(Place mapping, Advice advice) = 0;
  // Gives back the mapping's pages that lie wholly or partly inside the extent.
  virtual void drop(Place mapping, const Extent& extent) = 0;

  // A file of the strategy's own (sidecar.h). find_file: the mapping of one that holds what the checkpoint does.
  // make_file: a new one, mapped for writing, which tensors are delivered into; drop() also sends its pages on their
  // way to the disk. keep_file: ends that mapping, lets the file appear whole under its name, and maps it for reading.
  virtual std::optional<Place> find_file(const Sidecar& sidecar) = 0;
  virtual Place make_file(const Sidecar& sidecar) = 0;
  virtual Place keep_file(const Sidecar& sidecar, Place made) = 0;

  // Reads bytes of the checkpoint's files, as they lie there, into a buffer.
  virtual void read_file(const Extent& extent, Spot to) = 0;
  // Reads stored bytes [begin, begin + bytes) of a tensor's elements into a buffer, through its decoder if it has one.
  virtual void read(uint32_t tensor, uint64_t begin, uint64_t bytes, Spot to) = 0;
  // Reads past the page cache that go on while the plan does (io/read_queue.h): of one queue at a time, several in
  // flight, finished in the order in which they were started. What a read goes into stays until it is finished. The
  // extent begins at a whole direct_block of its file; there is room for the rest of its last one after it.
  virtual void open_queue(const QueueSettings& settings) = 0;
  virtual void start_read(const Extent& extent, Spot to) = 0;
  virtual void finish_read() = 0;  // waits for the oldest
  virtual void close_queue() = 0;
  // Says that the strategy cannot treat this encoded tensor in its own way, and does what eager does.
  // Encoding::reason() tells why.
  virtual void fall_back(uint32_t tensor) = 0;

  // `from` holds stored bytes [begin, begin + bytes) of a tensor; they go, converted where the layout says so, to their
  // place in the layout.loaded_bytes that begin at `tensor_at`. begin and bytes are whole units
  // (Layout::unit_elements).
  virtual void deliver(uint32_t tensor, uint64_t begin, uint64_t bytes, Spot from, Spot tensor_at) = 0;

  // read into `staging`, then deliver from there. Who carries it out may do so piece by piece, several at once: nothing
  // in between is spoken, so nothing can depend on the order.
  virtual void read_and_deliver(uint32_t tensor, uint64_t begin, uint64_t bytes, Spot staging, Spot tensor_at) {
    read(tensor, begin, bytes, staging);
    deliver(tensor, begin, bytes, staging, tensor_at);
  }

  // Reads every byte of a delivered tensor, as one pass of inference would, and checks it against the reference.
  virtual void use(uint32_t tensor, Spot at) = 0;
  // The same where no step has loaded it, but opaque work, which holds layout.loaded_bytes at `at`.
  virtual void use_foreign(uint32_t tensor, const std::byte* at) = 0;

  // work(item, scratch) for each item of [0, count), begun in this order, up to `threads` at a time. `scratch` is a
  // staging buffer of the thread that does the item, which some item uses whole (a place of no meaning where
  // scratch_bytes is 0); it goes when all are done. The work
  // speaks its own steps to this Steps: enters no phase, uses nothing, calls no `each`, and frees nothing that another
  // item allocated. The first error ends it: no further item begins.
  virtual void each(uint32_t count, unsigned threads, uint64_t scratch_bytes,
                    const std::function<void(uint32_t item, Place scratch)>& work) = 0;

  // Work that no step describes (a plug-in, a test's own loop). The executor runs it with its Memory; a plan that
  // contains one has no prediction.
  virtual void opaque(const std::function<void(Memory&)>& work) = 0;
};

}  // namespace weighbridge
