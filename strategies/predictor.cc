#include "strategies/predictor.h"

#include <algorithm>
#include <functional>

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
    peak_.need = peak_.overhead = held_ = table_;
    buffers_.reserve(request.layouts.size());
  }

  std::optional<Prediction> result() const {
    if (unpredictable_) return std::nullopt;
    Prediction result = peak_;
    result.page_tables = held_ - peak_.need;
    return result;
  }

  void enter(Phase) override {}

  Place allocate(Purpose purpose, uint64_t bytes) override {
    const Buffer buffer{page_rounded(bytes), purpose};
    live(purpose) += buffer.rounded;
    if (purpose == Purpose::weights) {
      peak_.most_weights = std::max(peak_.most_weights, weights_);
    } else {
      most_staging_ = std::max(most_staging_, staging_);
    }
    const Place place{Place::Kind::buffer, keep(buffers_, vacant_buffers_, buffer)};
    settle(0);
    return place;
  }

  void free(Place place) override {
    const Buffer& buffer = buffers_.at(place.id);
    live(buffer.purpose) -= buffer.rounded;
    vacant_buffers_.push_back(place.id);
  }

  Place map(uint32_t file) override {
    const Mapping mapping{{}, 0, page_rounded(request_.checkpoint.files.at(file).bytes)};
    return {Place::Kind::mapping, keep(mappings_, vacant_mappings_, mapping)};
  }

  void unmap(Place place) override {
    Mapping& mapping = mappings_.at(place.id);
    reclaimable_ -= mapping.touched.bytes();
    mapping_tables_ -= page_tables_of(mapping.ever_touched);
    mapping = {};
    vacant_mappings_.push_back(place.id);
  }

  void drop(Place place, const Extent& extent) override {
    TouchedPages& touched = mappings_.at(place.id).touched;
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

  void fall_back(uint32_t tensor) override {
    const Tensor& fallen = request_.checkpoint.tensors.at(tensor);
    peak_.fallen_back[fallen.encoding->reason()] += fallen.bytes();
  }

  void deliver(uint32_t, uint64_t, uint64_t bytes, Spot from, Place) override { touch(from, bytes); }

  void use(uint32_t tensor, Spot at) override { touch(at, request_.layouts.at(tensor).loaded_bytes); }

  void opaque(const std::function<void(Memory&)>&) override { unpredictable_ = true; }

 private:
  struct Buffer {
    uint64_t rounded = 0;
    Purpose purpose = Purpose::weights;
  };
  struct Mapping {
    TouchedPages touched;
    uint64_t ever_touched = 0;  // at most: what is dropped and touched again is counted twice
    uint64_t bytes = 0;
  };

  uint64_t& live(Purpose purpose) { return purpose == Purpose::weights ? weights_ : staging_; }

  void settle(uint64_t decoder_bytes) {
    const uint64_t places = buffers_.size() - vacant_buffers_.size() + mappings_.size() - vacant_mappings_.size();
    const uint64_t overhead = table_ + places * kBytesPerBuffer + decoder_bytes;
    const uint64_t need = weights_ + staging_ + overhead;
    // An arena keeps its addresses, and with them its page tables.
    held_ = std::max(held_, need + page_tables_of(peak_.most_weights) + page_tables_of(most_staging_) +
                                page_tables_of(overhead) + mapping_tables_);
    if (need <= peak_.need) return;
    peak_.need = need;
    peak_.overhead = overhead;
    peak_.weights = weights_;
    peak_.staging = staging_;
  }

  template <typename T>
  static uint32_t keep(std::vector<T>& kept, std::vector<uint32_t>& vacant, T one) {
    if (vacant.empty()) {
      kept.push_back(std::move(one));
      return static_cast<uint32_t>(kept.size() - 1);
    }
    const uint32_t id = vacant.back();
    vacant.pop_back();
    kept[id] = std::move(one);
    return id;
  }

  void touch(Spot spot, uint64_t bytes) {
    if (spot.place.kind != Place::Kind::mapping) return;
    Mapping& mapping = mappings_.at(spot.place.id);
    const uint64_t grown = mapping.touched.touch(spot.offset, bytes);
    if (grown == 0) return;
    reclaimable_ += grown;
    peak_.reclaimable = std::max(peak_.reclaimable, reclaimable_);
    mapping_tables_ -= page_tables_of(mapping.ever_touched);
    mapping.ever_touched = std::min(mapping.ever_touched + grown, mapping.bytes);
    mapping_tables_ += page_tables_of(mapping.ever_touched);
    settle(0);
  }

  const Request& request_;
  std::vector<Buffer> buffers_;
  std::vector<Mapping> mappings_;
  std::vector<uint32_t> vacant_buffers_, vacant_mappings_;  // ids to use again
  uint64_t table_ = 0;                                      // what is there before the first step
  uint64_t weights_ = 0, staging_ = 0, reclaimable_ = 0;
  uint64_t most_staging_ = 0;
  uint64_t mapping_tables_ = 0;
  uint64_t held_ = 0;  // the largest sum of need and page tables at one instant
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
