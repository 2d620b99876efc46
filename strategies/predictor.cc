#include "strategies/predictor.h"

#include <algorithm>
#include <functional>

#include "strategies/io/read_queue.h"

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
  }

  uint64_t bytes() const {
    uint64_t pages = 0;
    for (const auto& [first, last] : ranges_) pages += last - first;
    return pages * kPageBytes;
  }

 private:
  std::map<uint64_t, uint64_t> ranges_;
};

// What a live buffer costs beside its pages: jemalloc keeps 128 bytes (edata_t) and about three words of its radix tree
// for an extent, the executor and the plan 40. Measured on 20,000 tensors: 185 bytes each.
constexpr uint64_t kBytesPerBuffer = 192;

class Predictor : public Steps {
 public:
  explicit Predictor(const Request& request) : request_(request) {
    table_ = request.checkpoint.table_bytes() + request.layouts.capacity() * sizeof(Layout);
    peak_.need = peak_.overhead = table_;
  }

  std::optional<Prediction> result() const {
    if (unpredictable_) return std::nullopt;
    return peak_;
  }

  void enter(Phase) override {}

  Place allocate(Purpose purpose, uint64_t bytes) override {
    const uint64_t rounded = page_rounded(bytes);
    (purpose == Purpose::weights ? weights_ : staging_) += rounded;
    const Place place{Place::Kind::buffer, know({rounded, purpose, {}, 0})};
    settle(0);
    return place;
  }

  void free(Place buffer) override {
    Known& known = places_.at(buffer.id);
    (known.purpose == Purpose::weights ? weights_ : staging_) -= known.rounded;
    vacant_.push_back(buffer.id);
  }

  Place map(uint32_t file) override {
    return {Place::Kind::mapping, know({0, Purpose::weights, {}, request_.checkpoint.files.at(file).bytes})};
  }

  // Only `populate` promises pages; what else the kernel reads ahead is its own affair and not mapped.
  void advise(Place mapping, Advice advice) override {
    if (advice == Advice::populate) touch({mapping}, places_.at(mapping.id).file_bytes);
  }

  void unmap(Place mapping) override {
    TouchedPages& touched = places_.at(mapping.id).touched;
    reclaimable_ -= touched.bytes();
    touched = {};
    vacant_.push_back(mapping.id);
  }

  void drop(Place mapping, const Extent& extent) override {
    TouchedPages& touched = places_.at(mapping.id).touched;
    const uint64_t before = touched.bytes();
    touched.drop(extent.offset, extent.bytes);
    reclaimable_ -= before - touched.bytes();
  }

  void read_file(const Extent&, Spot) override {}

  // A decoder is there while its tensor is read; it goes when that is done or another tensor's turn comes.
  void read(uint32_t tensor, uint64_t, uint64_t bytes, Spot) override {
    const Tensor& read = request_.checkpoint.tensors.at(tensor);
    if (read.plain() || bytes == 0) return;
    settle(read.encoding->decoder_bytes());
    peak_.reclaimable = std::max(peak_.reclaimable, reclaimable_ + page_rounded(read.encoding->mapped_bytes()));
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
    peak_.fallen_back[fallen.encoding->reason()] += fallen.bytes();
  }

  void deliver(uint32_t, uint64_t, uint64_t bytes, Spot from, Spot) override { touch(from, bytes); }

  void use(uint32_t tensor, Spot at) override { touch(at, request_.layouts.at(tensor).loaded_bytes); }

  void opaque(const std::function<void(Memory&)>&) override { unpredictable_ = true; }

 private:
  struct Known {
    uint64_t rounded = 0;
    Purpose purpose = Purpose::weights;
    TouchedPages touched;  // of a mapping
    uint64_t file_bytes = 0;
  };

  void settle(uint64_t decoder_bytes) {
    const uint64_t overhead = table_ + queue_ + (places_.size() - vacant_.size()) * kBytesPerBuffer + decoder_bytes;
    const uint64_t need = weights_ + staging_ + overhead;
    if (need <= peak_.need) return;
    peak_.need = need;
    peak_.overhead = overhead;
    peak_.weights = weights_;
    peak_.staging = staging_;
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

  void touch(Spot spot, uint64_t bytes) {
    if (spot.place.kind != Place::Kind::mapping) return;
    reclaimable_ += places_.at(spot.place.id).touched.touch(spot.offset, bytes);
    peak_.reclaimable = std::max(peak_.reclaimable, reclaimable_);
  }

  const Request& request_;
  std::vector<Known> places_;
  std::vector<uint32_t> vacant_;  // ids to use again
  uint64_t table_ = 0;            // what is there before the first step
  uint64_t queue_ = 0;            // of an open queue of reads
  uint64_t weights_ = 0, staging_ = 0, reclaimable_ = 0;
  Prediction peak_;
  bool unpredictable_ = false;
};

}  // namespace

std::optional<Prediction> predict(const Strategy& strategy, const Request& request) {
  Predictor predictor(request);
  strategy.plan(request, predictor);
  return predictor.result();
}

}  // namespace weighbridge
