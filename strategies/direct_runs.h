// What direct reads, in order: runs, each one read of whole blocks.
//
// A large tensor that stays as it is stored is a run of its own, read where it will stay. Everything else goes through
// staging in runs of at most a chunk: neighbours together, over small gaps, a tensor that is longer in several. A
// hundred thousand tensors of 10 KiB are so a thousand reads of 1 MiB, and a chunk that ends amid a block is followed
// by one that reads this block again. The runs are found from a cursor, not listed: a terabyte has a million of them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "strategies/plan.h"
#include "strategies/strategy.h"

namespace weighbridge {

class DirectRuns {
 public:
  struct Cursor {
    uint32_t tensor = 0;
    uint64_t begin = 0;  // stored bytes of it that are behind
    bool before(const Cursor& other) const {
      return tensor < other.tensor || (tensor == other.tensor && begin < other.begin);
    }
  };
  struct Run {
    Extent extent;              // from a whole block on
    uint64_t buffer_bytes = 0;  // of whole blocks; whole pages where staged
    Cursor from, to;            // the stored bytes that it brings
    bool staged = false;
  };

  // `chunk` is rounded up to whole pages and whole blocks of every file. The request must outlive it.
  DirectRuns(const Request& request, uint64_t chunk);

  uint64_t chunk_bytes() const { return chunk_; }
  // A ring that holds `chunks` of them, or all there are, and any one.
  uint64_t staging_bytes(uint32_t chunks) const;
  std::optional<Run> next(Cursor at) const;
  // Calls piece(tensor, begin, bytes, offset) for each tensor in a staged run: stored bytes [begin, begin + bytes) of
  // it lie `offset` bytes into the run.
  template <class Piece>
  void each_piece(const Run& run, const Piece& piece) const {
    for (Cursor at = run.from; at.before(run.to); at = {at.tensor + 1, 0}) {
      if (!reads(at.tensor)) continue;
      const uint64_t end = at.tensor == run.to.tensor ? run.to.begin : request_.layouts[at.tensor].stored_bytes;
      piece(at.tensor, at.begin, end - at.begin,
            request_.checkpoint.tensors[at.tensor].extent.offset + at.begin - run.extent.offset);
    }
  }

 private:
  bool reads(uint32_t tensor) const;   // it has plain bytes of its own
  bool staged(uint32_t tensor) const;  // they pass through staging
  uint64_t unit_bytes(uint32_t tensor) const;
  Run gathered(Cursor from) const;

  const Request& request_;
  std::vector<uint64_t> blocks_;  // by file
  uint64_t chunk_;
};

}  // namespace weighbridge
