#include "strategies/predictor.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <numeric>

#include "strategies/io/read_queue.h"
#include "strategies/sidecar.h"

namespace weighbridge {
namespace {

// Touched pages of one mapping, as disjoint page ranges [first, last). Plans touch in order, so there are few.
class TouchedPages {
 public:
  // Returns by how many bytes the touched set grew.
  uint64_t touch(uint64_t offset, uint64_t bytes) {
    if (bytes == 0) return 0;
    uint64_t first = offset / kPageBytes, last = (offset + bytes + kPageBytes - 1) / kPageBytes;
    uint64_t covered = 0;
    auto range = ranges_.upper_bound(first);
    if (range != ranges_.begin() && std::prev(range)->second >= first) --range;
    while (range != ranges_.end() && range->first <= last) {
      covered += range->second - range->first;
      first = std::min(first, range->first);
      last = std::max(last, range->second);
      range = ranges_.erase(range);
    }
    ranges_[first] = last;
    pages_ += last - first - covered;
    return (last - first - covered) * kPageBytes;
  }

  void drop(uint64_t offset, uint64_t bytes) {
    if (bytes == 0) return;
    touch(offset, bytes);  // one range now covers it all
    const uint64_t first = offset / kPageBytes, last = (offset + bytes + kPageBytes - 1) / kPageBytes;
    const auto range = std::prev(ranges_.upper_bound(first));
    const auto [begin, end] = *range;
    ranges_.erase(range);
    if (begin < first) ranges_[begin] = first;
    if (end > last) ranges_[last] = end;
    pages_ -= last - first;
  }

  uint64_t bytes() const { return pages_ * kPageBytes; }

 private:
  std::map<uint64_t, uint64_t> ranges_;
  uint64_t pages_ = 0;
};

// What a live buffer costs beside its pages: jemalloc keeps 128 bytes (edata_t) and about three words of its radix tree
// for an extent, the executor and the plan 40. Measured on 20,000 tensors: 185 bytes each.
constexpr uint64_t kBytesPerBuffer = 192;

// What a loading thread costs: its stack's pages, its allocator cache, its reader.
constexpr uint64_t kBytesPerThread = 64 << 10;

// Page tables of `bytes` of touched memory that lie together: a page for each 2 MiB and one for each GiB above those,
// and one of both for where the stretch does not begin on such a border. They stay when pages are given back (kernels
// from 6.14 on may free them earlier), and go when the stretch is unmapped.
uint64_t page_tables_of(uint64_t bytes) {
  constexpr uint64_t kLowest = 2u << 20, kNext = 1u << 30;
  return bytes == 0 ? 0 : (bytes / kLowest + bytes / kNext + 2) * kPageBytes;
}

class Predictor : public Steps {
 public:
  explicit Predictor(const Request& request) : request_(request) {
    table_ = request.checkpoint.table_bytes() + request.layouts.capacity() * sizeof(Layout);
    places_.reserve(request.layouts.size());
    settle(0);
  }

  std::optional<Prediction> result() const {
    if (unpredictable_) return std::nullopt;
    Prediction result = told_;
    result.need = static_cast<uint64_t>(most_.need());
    result.least_need = static_cast<uint64_t>(least_);
    result.weights = static_cast<uint64_t>(most_.weights);
    result.staging = static_cast<uint64_t>(most_.staging);
    result.overhead = static_cast<uint64_t>(most_.overhead);
    result.page_tables = static_cast<uint64_t>(held_ - most_.need());
    return result;
  }

  void enter(Phase) override {}

  Place allocate(Purpose purpose, uint64_t bytes) override {
    const uint64_t rounded = page_rounded(bytes);
    (purpose == Purpose::weights ? weights_ : staging_) += rounded;
    told_.most_weights = std::max(told_.most_weights, weights_);
    most_staging_ = std::max(most_staging_, staging_);
    const Place place{Place::Kind::buffer, know({rounded, purpose, nullptr})};
    settle(0);
    return place;
  }

  void free(Place buffer) override {
    Known& known = places_.at(buffer.id);
    (known.purpose == Purpose::weights ? weights_ : staging_) -= known.rounded;
    vacant_.push_back(buffer.id);
  }

  Place map(uint32_t file) override { return know_mapping(request_.checkpoint.files.at(file).bytes); }

  // Only `populate` promises pages; what else the kernel reads ahead is its own affair and not mapped.
  void advise(Place mapping, Advice advice) override {
    if (advice == Advice::populate) touch({mapping}, mapping_at(mapping).bytes);
  }

  void unmap(Place mapping) override {
    const Mapping& mapped = mapping_at(mapping);
    reclaimable_ -= mapped.touched.bytes();
    mapping_tables_ -= page_tables_of(mapped.ever_touched);
    places_[mapping.id] = {};
    vacant_.push_back(mapping.id);
  }

  void drop(Place mapping, const Extent& extent) override {
    TouchedPages& touched = mapping_at(mapping).touched;
    const uint64_t before = touched.bytes();
    touched.drop(extent.offset, extent.bytes);
    reclaimable_ -= before - touched.bytes();
  }

  // Content that has to be read to be known counts as absent: the making costs no less.
  std::optional<Place> find_file(const Sidecar& sidecar) override {
    if (!sidecar.find(nullptr)) return std::nullopt;
    return know_mapping(sidecar.bytes());
  }
  Place make_file(const Sidecar& sidecar) override {
    told_.disk += sidecar.bytes();
    settle(Sidecar::kBufferBytes);
    return know_mapping(sidecar.bytes());
  }
  Place keep_file(const Sidecar& sidecar, Place made) override {
    unmap(made);
    settle(Sidecar::kBufferBytes);
    return know_mapping(sidecar.bytes());
  }

  void read_file(const Extent&, Spot) override {}

  // A decoder is there while its tensor is read; it goes when that is done or another tensor's turn comes.
  void read(uint32_t tensor, uint64_t, uint64_t bytes, Spot) override {
    const Tensor& read = request_.checkpoint.tensors.at(tensor);
    if (read.plain() || bytes == 0) return;
    settle(read.encoding->decoder_bytes());
    told_.reclaimable = std::max(told_.reclaimable, reclaimable_ + page_rounded(read.encoding->mapped_bytes()));
  }

  void open_queue(const QueueSettings& settings) override {
    queue_ = queue_bytes(settings);
    settle(0);
  }
  void start_read(const Extent&, Spot) override {}
  void finish_read() override {}
  void close_queue() override { queue_ = 0; }

  void fall_back(uint32_t tensor) override {
    const Tensor& fallen = request_.checkpoint.tensors.at(tensor);
    told_.fallen_back[fallen.encoding->reason()] += fallen.bytes();
  }

  void deliver(uint32_t tensor, uint64_t begin, uint64_t bytes, Spot from, Spot tensor_at) override {
    touch(from, bytes);
    // Where an int8 tensor's scales lie apart from its codes, the pages are others, and as many.
    const Layout& layout = request_.layouts.at(tensor);
    if (layout.stored_bytes == 0) return;
    const auto delivered = [&](uint64_t stored) {
      return static_cast<uint64_t>(static_cast<unsigned __int128>(stored) * layout.loaded_bytes / layout.stored_bytes);
    };
    touch({tensor_at.place, tensor_at.offset + delivered(begin)}, delivered(begin + bytes) - delivered(begin));
  }

  void use(uint32_t tensor, Spot at) override { touch(at, request_.layouts.at(tensor).loaded_bytes); }

  // One thread does the items one after the other, and so does the count. Of several nobody knows the order. At any
  // instant at most `threads` items are under way, each at no more than its own peak, and the others hold what they
  // keep or nothing. So no sum is larger than what all keep, and the `threads` largest excesses of a peak over what its
  // item keeps. When an item is at its peak those before it were begun, and all but `threads` - 1 of them are done: so
  // the largest sum is at least that of one after the other less what the `threads` - 1 largest of them keep. Of the
  // threads' scratch one is used whole; a thread that comes too late uses none.
  void each(uint32_t count, unsigned threads, uint64_t scratch_bytes,
            const std::function<void(uint32_t, Place)>& work) override {
    if (count == 0) return;
    threads = std::min(threads, count);
    const Place scratch = scratch_bytes > 0 ? allocate(Purpose::staging, scratch_bytes) : Place{};
    if (threads <= 1) {
      for (uint32_t item = 0; item < count; ++item) work(item, scratch);
      if (scratch_bytes > 0) free(scratch);
      return;
    }
    const Sum begin = now(0);
    const Sum most_before = most_;
    const Wide least_before = least_;
    Largest kept(threads - 1), excesses(threads);
    Wide least = begin.need();
    for (uint32_t item = 0; item < count; ++item) {
      const Sum start = now(0);
      item_peak_ = start;
      work(item, scratch);
      const Sum end = now(0);
      least = std::max(least, item_peak_.need() - kept.sum().need());
      excesses.add(item_peak_ - end);
      kept.add(end - start);
    }
    most_ = most_before;  // what was kept meanwhile is true of one order alone
    least_ = least_before;
    Sum most = now(0) + excesses.sum();
    most.overhead += threads * kBytesPerThread;
    most.staging += (threads - 1) * static_cast<Wide>(page_rounded(scratch_bytes));
    keep(most, std::max(least, now(0).need()));
    if (scratch_bytes > 0) free(scratch);
  }
  void use_foreign(uint32_t, const std::byte*) override {}  // nothing that was counted

  void opaque(const std::function<void(Memory&)>&) override { unpredictable_ = true; }

 private:
  struct Mapping {
    uint64_t bytes = 0;
    TouchedPages touched;
    uint64_t ever_touched = 0;  // at most: what is dropped and touched again is counted twice
  };
  struct Known {
    uint64_t rounded = 0;
    Purpose purpose = Purpose::weights;
    std::unique_ptr<Mapping> mapping;  // null: a buffer
  };

  using Wide = __int128;  // a file may claim tensors that are as large together as 64 bits can say
  // What is there at one instant. Differences can be negative in a part, and are not in their sum.
  struct Sum {
    Wide weights = 0, staging = 0, overhead = 0;
    Wide need() const { return weights + staging + overhead; }
    Sum operator+(const Sum& other) const {
      return {weights + other.weights, staging + other.staging, overhead + other.overhead};
    }
    Sum operator-(const Sum& other) const {
      return {weights - other.weights, staging - other.staging, overhead - other.overhead};
    }
  };

  // The few largest of many sums.
  class Largest {
   public:
    explicit Largest(size_t count) : count_(count) {}
    void add(const Sum& sum) {
      kept_.push_back(sum);
      std::push_heap(kept_.begin(), kept_.end(), larger);
      if (kept_.size() <= count_) return;
      std::pop_heap(kept_.begin(), kept_.end(), larger);
      kept_.pop_back();
    }
    Sum sum() const { return std::accumulate(kept_.begin(), kept_.end(), Sum()); }

   private:
    static bool larger(const Sum& one, const Sum& other) { return one.need() > other.need(); }
    size_t count_;
    std::vector<Sum> kept_;  // a heap, the smallest first
  };

  Sum now(uint64_t decoder_bytes) const {
    const uint64_t overhead = table_ + queue_ + (places_.size() - vacant_.size()) * kBytesPerBuffer + decoder_bytes;
    return {weights_, staging_, overhead};
  }

  void settle(uint64_t decoder_bytes) {
    const Sum sum = now(decoder_bytes);
    if (sum.need() > item_peak_.need()) item_peak_ = sum;
    keep(sum, sum.need());
  }

  void keep(const Sum& most, Wide least) {
    least_ = std::max(least_, least);
    if (most.need() > most_.need()) most_ = most;
    // An arena keeps its addresses, and with them its page tables.
    held_ = std::max<Wide>(held_, most.need() + page_tables_of(told_.most_weights) +
                                      page_tables_of(std::max(most_staging_, static_cast<uint64_t>(most.staging))) +
                                      page_tables_of(static_cast<uint64_t>(most.overhead)) + mapping_tables_);
  }

  uint32_t know(Known known) {
    if (vacant_.empty()) {
      places_.push_back(std::move(known));
      return static_cast<uint32_t>(places_.size() - 1);
    }
    const uint32_t id = vacant_.back();
    vacant_.pop_back();
    places_[id] = std::move(known);
    return id;
  }

  Place know_mapping(uint64_t bytes) {
    return {Place::Kind::mapping, know({0, Purpose::weights, std::make_unique<Mapping>(Mapping{bytes, {}, 0})})};
  }
  Mapping& mapping_at(Place place) { return *places_.at(place.id).mapping; }

  void touch(Spot spot, uint64_t bytes) {
    if (spot.place.kind != Place::Kind::mapping) return;
    Mapping& mapping = mapping_at(spot.place);
    const uint64_t grown = mapping.touched.touch(spot.offset, bytes);
    if (grown == 0) return;
    reclaimable_ += grown;
    told_.reclaimable = std::max(told_.reclaimable, reclaimable_);
    mapping_tables_ -= page_tables_of(mapping.ever_touched);
    mapping.ever_touched = std::min(mapping.ever_touched + grown, page_rounded(mapping.bytes));
    mapping_tables_ += page_tables_of(mapping.ever_touched);
    settle(0);
  }

  const Request& request_;
  std::vector<Known> places_;
  std::vector<uint32_t> vacant_;  // ids to use again
  uint64_t table_ = 0;            // what is there before the first step
  uint64_t queue_ = 0;            // of an open queue of reads
  uint64_t weights_ = 0, staging_ = 0, reclaimable_ = 0;
  uint64_t most_staging_ = 0;
  uint64_t mapping_tables_ = 0;
  Wide held_ = 0;    // the largest sum of need and page tables at one instant
  Sum item_peak_;    // of the item of `each` that is under way
  Sum most_;         // the largest so far
  Wide least_ = 0;   // the largest that cannot have been avoided by any order
  Prediction told_;  // what does not depend on it
  bool unpredictable_ = false;
};

}  // namespace

std::optional<Prediction> predict(const Strategy& strategy, const Request& request) {
  Predictor predictor(request);
  strategy.plan(request, predictor);
  return predictor.result();
}

}  // namespace weighbridge
