#include "strategies/checkpoint/pytorch/pickle_values.h"

#include <bit>
#include <cstring>

namespace weighbridge {

PickleValues::PickleValues() {
  add({PickleKind::none, 0, 0, 0});
  add({PickleKind::boolean, 0, 0, 0});
  add({PickleKind::boolean, 0, 0, 1});
  add({PickleKind::tuple, 0, 0, 0});
  for (uint32_t value = 0; value < kSmall; ++value) add({PickleKind::integer, 0, 0, value});
  words_.push_back(0);  // so that no segment has the index 0, which means none
}

PickleRef PickleValues::add(const Value& value) {
  values_.push_back(value);
  grow(sizeof value);
  return static_cast<PickleRef>(values_.size() - 1);
}

double PickleValues::real(PickleRef value) const {
  return std::bit_cast<double>(values_[value].data);
}

std::string_view PickleValues::text(PickleRef ref) const {
  const Value& value = values_[ref];
  const size_t kept = std::min(value.count, kMostText);
  if (kept == 0) return {};
  return {texts_[value.data / kChunk].get() + value.data % kChunk, kept};
}

PickleRef PickleValues::add_integer(int64_t value) {
  if (value >= 0 && value < kSmall) return kFirstSmall + static_cast<PickleRef>(value);
  return add({PickleKind::integer, 0, 0, static_cast<uint64_t>(value)});
}

PickleRef PickleValues::add_real(double value) {
  return add({PickleKind::real, 0, 0, std::bit_cast<uint64_t>(value)});
}

PickleRef PickleValues::add_text(PickleKind kind, std::string_view kept, uint64_t bytes) {
  static_assert(kMostText <= kChunk);
  const auto size = static_cast<uint32_t>(kept.size());
  if (size > kChunk - text_used_) {
    texts_.emplace_back(new char[kChunk]);
    text_used_ = 0;
    grow(kChunk);
  }
  uint64_t at = 0;
  if (size > 0) {
    at = (texts_.size() - 1) * uint64_t{kChunk} + text_used_;
    std::memcpy(texts_.back().get() + text_used_, kept.data(), size);
    text_used_ += size;
  }
  return add({kind, 0, static_cast<uint32_t>(std::min<uint64_t>(bytes, UINT32_MAX)), at});
}

PickleRef PickleValues::add_bytes(Stretch stretch) {
  stretches_.push_back(stretch);
  grow(sizeof stretch);
  return add({PickleKind::bytes, 0, static_cast<uint32_t>(stretches_.size() - 1), 0});
}

PickleRef PickleValues::add_container(PickleKind kind) {
  return add({kind, 0, 0, 0});
}

PickleRef PickleValues::add_global(PickleRef module, PickleRef name, uint64_t at) {
  globals_.push_back({module, name, at, false});
  grow(2 * sizeof(Global) + sizeof(void*) * 2);  // with what its reader keeps of each
  return add({PickleKind::global, 0, static_cast<uint32_t>(globals_.size() - 1), 0});
}

PickleRef PickleValues::add_persistent(PickleRef id, uint64_t at) {
  const PickleRef value = add({PickleKind::persistent, 0, id, at});
  persistents_.push_back(value);
  grow(sizeof value);
  return value;
}

PickleRef PickleValues::add_object(PickleRef callee, PickleRef args, uint64_t at) {
  objects_.push_back({callee, args, kNone, kNone, kNone, at});
  grow(sizeof(Object));
  return add({PickleKind::object, 0, static_cast<uint32_t>(objects_.size() - 1), 0});
}

// Room for up to `wanted` items in the container's last segment, which is made where there is none or it is full.
uint32_t PickleValues::segment_room(PickleRef container, uint32_t wanted) {
  Value& value = values_[container];
  const auto last = static_cast<uint32_t>(value.data >> 32);
  if (last != 0 && words_[last + 1] > words_[last + 2]) return std::min(wanted, words_[last + 1] - words_[last + 2]);
  const uint32_t capacity = std::max({wanted, 2u, std::min(value.count, 1024u)});
  const auto made = static_cast<uint32_t>(words_.size());
  words_.push_back(0);
  words_.push_back(capacity);
  words_.push_back(0);
  words_.resize(words_.size() + capacity);
  grow((kSegmentHead + capacity) * sizeof(uint32_t));
  if (last != 0) words_[last] = made;
  const uint64_t first = last != 0 ? (value.data & UINT32_MAX) : made;
  value.data = static_cast<uint64_t>(made) << 32 | first;
  return wanted;
}

void PickleValues::put(PickleRef container, PickleRef item) {
  Value& value = values_[container];
  const auto last = static_cast<uint32_t>(value.data >> 32);
  words_[last + kSegmentHead + words_[last + 2]++] = item;
  ++value.count;
}

PickleValues::Items PickleValues::items(PickleRef container) const {
  const Value& value = values_[container];
  Items items;
  items.values_ = this;
  items.left_ = value.count;
  if (value.kind == PickleKind::tuple) {
    items.at_ = value.data;
    items.segment_left_ = value.count;
  } else {
    items.next_segment_ = static_cast<uint32_t>(value.data & UINT32_MAX);
  }
  return items;
}

bool PickleValues::Items::next(PickleRef& item) {
  if (left_ == 0) return false;
  const auto& words = values_->words_;
  if (segment_left_ == 0) {
    const uint32_t segment = next_segment_;
    next_segment_ = words[segment];
    segment_left_ = words[segment + 2];
    at_ = segment + kSegmentHead;
  }
  item = words[at_++];
  --segment_left_;
  --left_;
  return true;
}

}  // namespace weighbridge
