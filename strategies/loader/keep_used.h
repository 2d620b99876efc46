// A plan whose weights stay: what it used is neither freed nor unmapped.
//
// A strategy's plan goes on to use the weights and to release them; a person who asks for weights wants to do both
// herself. So this stands between the plan and whoever hears its steps and passes each step on, but for `free` and
// `unmap` of what was used. The executor and the predictor both hear a plan through it, so that what is predicted is
// what is done: lazy with a budget, for one, evicts nothing here.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "strategies/plan.h"

namespace weighbridge {

class KeepUsed : public Steps {
 public:
  explicit KeepUsed(Steps& to) : to_(to) {}  // which must outlive it

  void enter(Phase phase) override { to_.enter(phase); }
  Place allocate(Purpose purpose, uint64_t bytes) override { return to_.allocate(purpose, bytes); }
  void free(Place buffer) override {
    if (!stays(buffer)) to_.free(buffer);
  }
  Place map(uint32_t file) override { return to_.map(file); }
  void advise(Place mapping, Advice advice) override { to_.advise(mapping, advice); }
  void unmap(Place mapping) override {
    if (!stays(mapping)) to_.unmap(mapping);
  }
  void drop(Place mapping, const Extent& extent) override { to_.drop(mapping, extent); }
  std::optional<Place> find_file(const Sidecar& sidecar) override { return to_.find_file(sidecar); }
  Place make_file(const Sidecar& sidecar) override { return to_.make_file(sidecar); }
  Place keep_file(const Sidecar& sidecar, Place made) override { return to_.keep_file(sidecar, made); }
  void read_file(const Extent& extent, Spot to) override { to_.read_file(extent, to); }
  void read(uint32_t tensor, uint64_t begin, uint64_t bytes, Spot to) override { to_.read(tensor, begin, bytes, to); }
  void open_queue(const QueueSettings& settings) override { to_.open_queue(settings); }
  void start_read(const Extent& extent, Spot to) override { to_.start_read(extent, to); }
  void finish_read() override { to_.finish_read(); }
  void close_queue() override { to_.close_queue(); }
  void fall_back(uint32_t tensor) override { to_.fall_back(tensor); }
  void deliver(uint32_t tensor, uint64_t begin, uint64_t bytes, Spot from, Spot tensor_at) override {
    to_.deliver(tensor, begin, bytes, from, tensor_at);
  }
  void read_and_deliver(uint32_t tensor, uint64_t begin, uint64_t bytes, Spot staging, Spot tensor_at) override {
    to_.read_and_deliver(tensor, begin, bytes, staging, tensor_at);
  }
  void use(uint32_t tensor, Spot at) override {
    if (stays_.size() <= at.place.id) stays_.resize(at.place.id + 1);
    stays_[at.place.id] = true;
    used(tensor, at);
  }
  void each(uint32_t count, unsigned threads, uint64_t scratch_bytes,
            const std::function<void(uint32_t, Place)>& work) override {
    to_.each(count, threads, scratch_bytes, work);
  }
  void use_foreign(uint32_t tensor, const std::byte* at) override { to_.use_foreign(tensor, at); }
  void opaque(const std::function<void(Memory&)>& work) override { to_.opaque(work); }

 protected:
  virtual void used(uint32_t tensor, Spot at) { to_.use(tensor, at); }
  bool stays(Place place) const { return place.id < stays_.size() && stays_[place.id]; }

 private:
  Steps& to_;
  std::vector<bool> stays_;  // by Place::id; an id whose place stays is never used again
};

}  // namespace weighbridge
