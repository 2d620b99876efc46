// The state of the machine that a pickle is a program for: a stack with marks in it, and a memo. No opcode reaches
// below the innermost mark.
#pragma once

#include <cstdint>
#include <deque>

#include "strategies/checkpoint/pytorch/pickle_operands.h"
#include "strategies/checkpoint/pytorch/pickle_values.h"

namespace weighbridge {

class PickleStack {
 public:
  // `operands` is told of what is wrong, and must outlive it.
  explicit PickleStack(const PickleOperands& operands) : operands_(operands) {}

  void push(PickleRef value) { values_.push_back(value); }

  PickleRef top() const {
    require(1);
    return values_.back();
  }
  PickleRef pop() {
    const PickleRef value = top();
    values_.pop_back();
    return value;
  }

  // --- runs of values, told by the index of their first ---

  size_t last(size_t count) const {
    require(count);
    return values_.size() - count;
  }
  void push_mark() { marks_.push_back(static_cast<uint32_t>(values_.size())); }
  // Takes the innermost mark away.
  size_t pop_mark() {
    if (marks_.empty()) operands_.fail("an opcode that takes what follows a mark", "a mark before it");
    const size_t first = marks_.back();
    marks_.pop_back();
    return first;
  }
  bool at_mark() const { return !marks_.empty() && marks_.back() == values_.size(); }
  size_t count_from(size_t first) const { return values_.size() - first; }
  PickleRef operator[](size_t index) const { return values_[index]; }
  // What lies below a run.
  PickleRef below(size_t first) const {
    if (first <= floor()) operands_.fail("items on an empty stack", "a container below them");
    return values_[first - 1];
  }
  void drop_from(size_t first) { values_.resize(first); }

  // --- the memo ---

  // `most`: the largest index that can be believed.
  void keep(uint64_t index, uint64_t most) {
    const PickleRef value = top();
    if (index > most) operands_.fail("a memo index far ahead of the pickle", "indices in order");
    if (index >= memo_.size()) memo_.resize(index + 1, kNothing);
    memo_[index] = value;
  }
  uint64_t memo_size() const { return memo_.size(); }
  PickleRef recall(uint64_t index) const {
    if (index >= memo_.size() || memo_[index] == kNothing) {
      operands_.fail("a memo index that nothing was kept under", "one that was filled before");
    }
    return memo_[index];
  }

  uint64_t heap_bytes() const { return (values_.size() + marks_.size() + memo_.size()) * sizeof(PickleRef); }

 private:
  static constexpr PickleRef kNothing = UINT32_MAX;

  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  void require(size_t count) const {
    if (values_.size() - floor() < count) {
      operands_.fail("an opcode that takes more than there is on the stack", "a whole pickle");
    }
  }

  const PickleOperands& operands_;
  std::deque<PickleRef> values_, memo_;
  std::deque<uint32_t> marks_;
};

}  // namespace weighbridge
