// A queue of reads past the page cache, several in flight at a time; they end in the order in which they began.
//
// A device is fast only when it always has the next read: one read at a time leaves it idle while the last one is
// looked at. So a read of any size is cut into requests, of which `depth` are in flight; what was started beyond waits
// here and costs nothing. Files are opened when their first read comes and closed when another file's turn comes, so
// that a checkpoint may have more shards than a process descriptors.
//
// Where O_DIRECT is refused, for a file or for a single read, the file is read through the page cache instead; where
// io_uring is refused, threads read. Both are told, as they change what a measurement means.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/io/direct_file.h"
#include "strategies/io/queue_settings.h"
#include "strategies/io/read_engine.h"

namespace weighbridge {

class ReadQueue {
 public:
  // Called from the thread that calls the queue.
  struct Listener {
    std::function<void(const Remark&)> remark;         // once for the engine, once for each kind of refusal
    std::function<void(uint64_t)> read = [](auto) {};  // bytes that have arrived
  };

  // The checkpoint must outlive it. Throws Error (environment) where the engine that was asked for is refused.
  ReadQueue(const Checkpoint& checkpoint, const QueueSettings& settings, Listener listener);
  // With an engine of the caller's.
  ReadQueue(const Checkpoint& checkpoint, const QueueSettings& settings, Listener listener,
            std::unique_ptr<ReadEngine> engine);
  ReadQueue(const ReadQueue&) = delete;
  ReadQueue& operator=(const ReadQueue&) = delete;
  // Waits for what is in flight, and drops what is not. Memory that reads were started into may be given back then.
  ~ReadQueue();

  // Reads an extent as it lies in its file. extent.offset is a multiple of the file's direct_block, `to` of a page or,
  // like the offset, of the block; there must be room up to the next whole block, and nothing is promised of the bytes
  // after the extent. Throws Error as opening a file does.
  void start(const Extent& extent, std::byte* to);
  // Waits for the oldest read. Throws Error: bad_input where the file ends before, environment where the kernel cannot
  // read; nothing but to destroy the queue makes sense then.
  void finish();

 private:
  struct OpenFile {
    uint32_t index;
    DirectFile opened;
    uint32_t reads = 0;  // that are not finished
  };
  struct Read {
    OpenFile* file;
    uint64_t offset, bytes;  // in the file
    std::byte* to;
    uint64_t submitted = 0, arrived = 0;  // bytes
  };
  struct Slot {           // a request; in flight while `bytes` is not 0
    uint64_t number = 0;  // of its read, counted from the first of all
    uint64_t offset = 0;  // in the file, of what has still to come
    uint64_t bytes = 0;
    std::byte* to = nullptr;
    bool direct = false;
  };

  OpenFile& file(uint32_t index);
  void close_idle_files();
  void submit_more();
  void submit(uint32_t slot);
  void take_one();
  void take(Slot& slot, Read& read, int64_t result);
  void not_direct(DirectFile& file, const std::string& why);
  Read& read_of(const Slot& slot) { return reads_[slot.number - first_]; }

  const Checkpoint& checkpoint_;
  const QueueSettings settings_;
  const Listener listener_;
  std::vector<std::unique_ptr<OpenFile>> files_;  // few: those with reads, and the last
  std::deque<Read> reads_;                        // the oldest first
  uint64_t first_ = 0;                            // the number of the oldest
  size_t unsubmitted_ = 0;                        // index in reads_ of the first that is not submitted whole
  std::vector<Slot> slots_;
  std::vector<uint32_t> vacant_;  // slots
  bool told_refusal_ = false;
  std::unique_ptr<ReadEngine> engine_;  // last: it waits for what is in flight before anything else goes
};

// What a queue of reads costs in memory beside the buffers that it reads into. Of an engine that is left to be chosen,
// what io_uring costs.
uint64_t queue_bytes(const QueueSettings& settings);

}  // namespace weighbridge
