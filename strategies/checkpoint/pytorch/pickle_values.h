// What a pickle describes, as plain data that nothing ever calls: numbers, texts, containers, the names of the globals
// that it asks for, and what it would have made with them.
//
// Values refer to each other by index, so that sharing stays sharing: a list that holds one list a thousand times costs
// a thousand indices, and lists of such lists stay as small as they are in the file, however large they would be
// written out. Whoever walks them has to bound that walk (torch_walk.h does).
//
// Memory: 16 bytes a value, 4 an item, the texts themselves up to 64 KiB each; of bytes only their place. A state dict
// costs two to three times its pickle, which is a small part of its file; a pickle made to hurt (one byte a value)
// costs up to 30 times, hence the limit.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

namespace weighbridge {

enum class PickleKind : uint8_t {
  none,
  boolean,
  integer,  // that fits 64 bits
  large,    // an integer that does not: its bytes as text(), little-endian, two's complement
  real,
  text,
  bytes,
  tuple,
  list,
  dict,
  set,
  global,
  persistent,  // something that lies outside of the pickle, as its id describes
  object,      // what calling something would give
};

using PickleRef = uint32_t;

class PickleValues {
 public:
  static constexpr PickleRef kNone = 0, kFalse = 1, kTrue = 2, kEmptyTuple = 3;
  static constexpr uint32_t kMostText = 64 << 10;  // bytes kept of a text

  struct Stretch {
    uint64_t at = 0;  // in the pickle's stream
    uint64_t bytes = 0;
  };
  struct Global {
    PickleRef module = kNone, name = kNone;  // texts
    uint64_t at = 0;                         // of the opcode, in the pickle's stream
    bool called = false;                     // something was to be made with it, or changed in it
  };
  struct Object {
    PickleRef callee = kNone;   // what is asked to make it: a global, mostly
    PickleRef args = kNone;     // a tuple, mostly
    PickleRef state = kNone;    // what it is given afterwards
    PickleRef items = kNone;    // a list of what is appended to it
    PickleRef entries = kNone;  // a dict of what is set in it
    uint64_t at = 0;            // of the opcode
  };

  PickleValues();

  // --- looking ---
  PickleKind kind(PickleRef value) const { return values_[value].kind; }
  bool is(PickleRef value, PickleKind kind) const { return values_[value].kind == kind; }
  int64_t integer(PickleRef value) const { return static_cast<int64_t>(values_[value].data); }  // of boolean, integer
  double real(PickleRef value) const;
  // Of text and large: its first kMostText bytes.
  std::string_view text(PickleRef value) const;
  bool cut(PickleRef value) const { return values_[value].count > kMostText; }
  Stretch bytes(PickleRef value) const { return stretches_[values_[value].count]; }
  const Global& global(PickleRef value) const { return globals_[values_[value].count]; }
  const Object& object(PickleRef value) const { return objects_[values_[value].count]; }
  PickleRef persistent_id(PickleRef value) const { return values_[value].count; }
  uint64_t persistent_at(PickleRef value) const { return values_[value].data; }
  // Items of a tuple, list or set; keys and values of a dict, together.
  uint32_t count(PickleRef value) const { return values_[value].count; }
  // Of a tuple.
  PickleRef item(PickleRef tuple, uint32_t index) const { return words_[values_[tuple].data + index]; }

  // Front to back through a tuple, list, set or dict (key, value, key, value).
  class Items {
   public:
    bool next(PickleRef& item);

   private:
    friend class PickleValues;
    const PickleValues* values_ = nullptr;
    uint64_t at_ = 0;
    uint32_t left_ = 0, segment_left_ = 0, next_segment_ = 0;
  };
  Items items(PickleRef container) const;

  // All globals in the order of the file, each as often as the file spells it out; all objects and persistent values.
  const std::deque<Global>& globals() const { return globals_; }
  const std::deque<Object>& objects() const { return objects_; }
  uint32_t global_index(PickleRef value) const { return values_[value].count; }
  const std::deque<PickleRef>& persistents() const { return persistents_; }
  // Items of all containers together.
  uint64_t all_items() const { return all_items_; }
  uint64_t heap_bytes() const { return heap_; }

  // Two bits a value, free for whoever walks.
  uint8_t mark(PickleRef value) const { return values_[value].mark; }
  void set_mark(PickleRef value, uint8_t mark) { values_[value].mark = mark; }

  // --- making ---
  PickleRef add_integer(int64_t value);
  PickleRef add_real(double value);
  // `kept`: of `bytes` bytes the first, at most kMostText.
  PickleRef add_text(PickleKind kind, std::string_view kept, uint64_t bytes);
  PickleRef add_bytes(Stretch stretch);
  PickleRef add_container(PickleKind kind);  // a list, dict or set
  PickleRef add_global(PickleRef module, PickleRef name, uint64_t at);
  PickleRef add_persistent(PickleRef id, uint64_t at);
  PickleRef add_object(PickleRef callee, PickleRef args, uint64_t at);
  Object& change(PickleRef object) { return objects_[values_[object].count]; }
  void grow(uint64_t bytes) { heap_ += bytes; }  // what belongs to the values' making
  void call(PickleRef global) { globals_[values_[global].count].called = true; }

  // `at(i)` gives the i-th of `count` items.
  template <typename At>
  PickleRef add_tuple(uint32_t count, const At& at) {
    if (count == 0) return kEmptyTuple;
    const uint64_t first = words_.size();
    for (uint32_t i = 0; i < count; ++i) words_.push_back(at(i));
    grow(count * sizeof(PickleRef));
    all_items_ += count;
    return add({PickleKind::tuple, 0, count, first});
  }
  template <typename At>
  void append(PickleRef container, uint32_t count, const At& at) {
    for (uint32_t done = 0; done < count;) {
      const uint32_t room = segment_room(container, count - done);
      for (const uint32_t end = done + room; done < end; ++done) put(container, at(done));
    }
    all_items_ += count;
  }

 private:
  struct Value {
    PickleKind kind = PickleKind::none;
    uint8_t mark = 0;
    uint32_t count = 0;
    uint64_t data = 0;
  };
  static_assert(sizeof(Value) == 16);
  static constexpr uint32_t kSmall = 256;  // integers from 0 on that are one value each
  static constexpr PickleRef kFirstSmall = 4;
  static constexpr uint32_t kChunk = 64 << 10;  // of text

  PickleRef add(const Value& value);
  uint32_t segment_room(PickleRef container, uint32_t wanted);
  void put(PickleRef container, PickleRef item);

  // A list, dict or set holds its items in segments of `words_`: the next segment's index, capacity, items in use, the
  // items. `data` is the first segment's index and, in the high half, the last one's.
  static constexpr uint32_t kSegmentHead = 3;

  // Deques: none of them ever moves, so none is there twice while it grows.
  std::deque<Value> values_;
  std::deque<uint32_t> words_;
  std::deque<Stretch> stretches_;
  std::deque<Global> globals_;
  std::deque<Object> objects_;
  std::deque<PickleRef> persistents_;
  std::vector<std::unique_ptr<char[]>> texts_;
  uint32_t text_used_ = kChunk;  // of the last chunk
  uint64_t all_items_ = 0, heap_ = 0;
};

}  // namespace weighbridge
