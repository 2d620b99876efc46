// The machine is Python's: a stack, marks in it, a memo. Where Python would call something, a record of the call is
// pushed instead, and everything goes on as if that were the object; so a pickle is read to its end whatever it asks
// for, and what stands beside a hostile call is still found.
//
// It is stricter than Python's in one thing: a memo index must not pass the number of opcodes read so far (writers
// count from 0 or 1) by more than 1024, as an index of four bytes would otherwise ask for a table of 2^32 entries.
#include "strategies/checkpoint/pytorch/pickle.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <string>
#include <string_view>
#include <variant>

#include "strategies/checkpoint/pytorch/pickle_opcodes.h"
#include "strategies/checkpoint/pytorch/pickle_operands.h"
#include "strategies/checkpoint/pytorch/pickle_stack.h"

namespace weighbridge {
namespace {

using namespace opcode;

constexpr unsigned kNewestProtocol = 5;
constexpr uint64_t kMemoAhead = 1024;

class Unpickler {
 public:
  Unpickler(PickleStream& stream, PickleValues& values, uint64_t limit)
      : stream_(stream), operands_(stream), values_(values), limit_(limit) {}

  PickleRef run() {
    for (;;) {
      ++opcodes_;
      const int opcode = operands_.begin();
      if (opcode < 0) fail("the end of the bytes", "a pickle that goes on: it was cut, or is none");
      if (opcode == kStop) {
        // The heap keeps the pieces that a stack and a memo were made of.
        values_.grow(peak_);
        return stack_.pop();
      }
      if (!number(opcode) && !text(opcode) && !container(opcode) && !state(opcode) && !call(opcode)) {
        fail(describe(opcode), "a pickle's opcode");
      }
      require_heap(0);
    }
  }

 private:
  [[noreturn]] void fail(std::string_view found, std::string_view expected) const { operands_.fail(found, expected); }

  void require_heap(uint64_t more) {
    peak_ = std::max(peak_, stack_.heap_bytes());
    if (values_.heap_bytes() + peak_ + more > limit_) {
      fail(fmt::format("values that take more than {} bytes", limit_), "a pickle that describes less");
    }
  }

  static std::string describe(int opcode) {
    return opcode > 0x20 && opcode < 0x7f ? fmt::format("'{}'", static_cast<char>(opcode))
                                          : fmt::format("byte 0x{:02x}", opcode);
  }

  void push(PickleRef value) { stack_.push(value); }

  PickleRef tuple_from(size_t first) {
    const auto count = static_cast<uint32_t>(stack_.count_from(first));
    require_heap(count * sizeof(PickleRef));
    const PickleRef tuple = values_.add_tuple(count, [&](uint32_t i) { return stack_[first + i]; });
    stack_.drop_from(first);
    return tuple;
  }

  void fill(PickleRef container, size_t first) {
    const auto count = static_cast<uint32_t>(stack_.count_from(first));
    require_heap(count * sizeof(PickleRef));
    values_.append(container, count, [&](uint32_t i) { return stack_[first + i]; });
    stack_.drop_from(first);
  }

  // --- numbers ---

  bool number(int opcode) {
    switch (opcode) {
      case kNone:
        push(PickleValues::kNone);
        return true;
      case kNewTrue:
        push(PickleValues::kTrue);
        return true;
      case kNewFalse:
        push(PickleValues::kFalse);
        return true;
      case kBinInt:
        push(values_.add_integer(static_cast<int32_t>(operands_.read_unsigned(4))));
        return true;
      case kBinInt1:
        push(values_.add_integer(static_cast<int64_t>(operands_.read_unsigned(1))));
        return true;
      case kBinInt2:
        push(values_.add_integer(static_cast<int64_t>(operands_.read_unsigned(2))));
        return true;
      case kLong1:
        push(integer(operands_.read_integer(operands_.read_unsigned(1))));
        return true;
      case kLong4:
        push(integer(operands_.read_integer(operands_.read_unsigned(4))));
        return true;
      case kInt:  // "00" and "01", which are False and True, serve as 0 and 1
      case kLong:
        push(integer(operands_.read_line_integer()));
        return true;
      case kFloat:
        push(values_.add_real(operands_.read_line_real()));
        return true;
      case kBinFloat:  // big-endian, alone among the opcodes
        push(values_.add_real(std::bit_cast<double>(__builtin_bswap64(operands_.read_unsigned(8)))));
        return true;
      default:
        return false;
    }
  }

  PickleRef integer(const PickleOperands::Integer& value) {
    if (const auto* small = std::get_if<int64_t>(&value)) return values_.add_integer(*small);
    const std::string& bytes = std::get<std::string>(value);
    return values_.add_text(PickleKind::large, bytes, bytes.size());
  }

  // --- texts and bytes ---

  bool text(int opcode) {
    switch (opcode) {
      case kString:
      case kUnicode: {
        std::string line = operands_.read_line();  // escapes stay as they are: no writer of tensors uses protocol 0
        if (opcode == kString && line.size() >= 2 && (line[0] == '\'' || line[0] == '"') && line.back() == line[0]) {
          line = line.substr(1, line.size() - 2);
        }
        push(values_.add_text(PickleKind::text, line, line.size()));
        return true;
      }
      case kShortBinString:
      case kShortBinUnicode:
        push_text(operands_.read_unsigned(1));
        return true;
      case kBinString:
      case kBinUnicode:
        push_text(operands_.read_unsigned(4));
        return true;
      case kBinUnicode8:
        push_text(operands_.read_unsigned(8));
        return true;
      case kShortBinBytes:
        push_bytes(operands_.read_unsigned(1));
        return true;
      case kBinBytes:
        push_bytes(operands_.read_unsigned(4));
        return true;
      case kBinBytes8:
      case kByteArray8:
        push_bytes(operands_.read_unsigned(8));
        return true;
      default:
        return false;
    }
  }

  void push_text(uint64_t bytes) { push(values_.add_text(PickleKind::text, operands_.read_kept(bytes), bytes)); }

  void push_bytes(uint64_t bytes) {
    operands_.require(bytes);
    push(values_.add_bytes({stream_.position(), bytes}));
    stream_.skip(bytes);
  }

  // --- containers ---

  bool container(int opcode) {
    switch (opcode) {
      case kEmptyTuple:
        push(PickleValues::kEmptyTuple);
        return true;
      case kTuple1:
      case kTuple2:
      case kTuple3:
        push(tuple_from(stack_.last(static_cast<size_t>(opcode - kTuple1 + 1))));
        return true;
      case kTuple:
        push(tuple_from(stack_.pop_mark()));
        return true;
      case kEmptyList:
        push(values_.add_container(PickleKind::list));
        return true;
      case kEmptyDict:
        push(values_.add_container(PickleKind::dict));
        return true;
      case kEmptySet:
        push(values_.add_container(PickleKind::set));
        return true;
      case kList:
        push_filled(PickleKind::list);
        return true;
      case kFrozenSet:
        push_filled(PickleKind::set);
        return true;
      case kDict:
        push_filled(PickleKind::dict);
        return true;
      case kAppend:
        put(stack_.last(1), false);
        return true;
      case kAppends:
      case kAddItems:
        put(stack_.pop_mark(), false);
        return true;
      case kSetItem:
        put(stack_.last(2), true);
        return true;
      case kSetItems:
        put(stack_.pop_mark(), true);
        return true;
      default:
        return false;
    }
  }

  void push_filled(PickleKind kind) {
    const size_t first = stack_.pop_mark();
    if (kind == PickleKind::dict) require_pairs(first);
    const PickleRef container = values_.add_container(kind);
    fill(container, first);
    push(container);
  }

  void require_pairs(size_t first) const {
    if (stack_.count_from(first) % 2 != 0) fail("a key without a value", "pairs of them");
  }

  // Puts the stack's values from `first` on into what lies below them: a container, or an object that was asked for,
  // which keeps such items beside its arguments.
  void put(size_t first, bool pairs) {
    PickleRef into = stack_.below(first);
    if (pairs) require_pairs(first);
    const PickleKind kind = values_.kind(into);
    if (kind == PickleKind::object) {
      PickleRef& kept = pairs ? values_.change(into).entries : values_.change(into).items;
      if (kept == PickleValues::kNone) kept = values_.add_container(pairs ? PickleKind::dict : PickleKind::list);
      into = kept;
    } else if (pairs ? kind != PickleKind::dict : kind != PickleKind::list && kind != PickleKind::set) {
      fail(pairs ? "keys and values for what is no dict" : "items for what is no list or set",
           "a container below them");
    }
    fill(into, first);
  }

  // --- the stack's own opcodes, and the memo ---

  bool state(int opcode) {
    switch (opcode) {
      case kMark:
        stack_.push_mark();
        return true;
      case kPop:
        if (stack_.at_mark()) {
          stack_.pop_mark();
        } else {
          stack_.pop();
        }
        return true;
      case kPopMark:
        stack_.drop_from(stack_.pop_mark());
        return true;
      case kDup:
        push(stack_.top());
        return true;
      case kGet:
        push(stack_.recall(operands_.read_line_index()));
        return true;
      case kBinGet:
        push(stack_.recall(operands_.read_unsigned(1)));
        return true;
      case kLongBinGet:
        push(stack_.recall(operands_.read_unsigned(4)));
        return true;
      case kPut:
        stack_.keep(operands_.read_line_index(), opcodes_ + kMemoAhead);
        return true;
      case kBinPut:
        stack_.keep(operands_.read_unsigned(1), opcodes_ + kMemoAhead);
        return true;
      case kLongBinPut:
        stack_.keep(operands_.read_unsigned(4), opcodes_ + kMemoAhead);
        return true;
      case kMemoize:
        stack_.keep(stack_.memo_size(), UINT64_MAX);
        return true;
      case kProto:
        if (const uint64_t protocol = operands_.read_unsigned(1); protocol > kNewestProtocol) {
          fail(fmt::format("a pickle of protocol {}", protocol), fmt::format("at most {}", kNewestProtocol));
        }
        return true;
      case kFrame:
        operands_.require(operands_.read_unsigned(8));
        return true;
      case kReadonlyBuffer:
        stack_.top();
        return true;
      default:
        return false;
    }
  }

  // --- what Python would look up, and call ---

  bool call(int opcode) {
    switch (opcode) {
      case kGlobal: {
        const std::string module = operands_.read_line(), name = operands_.read_line();
        push(global(module, name));
        return true;
      }
      case kStackGlobal: {
        const PickleRef name = stack_.pop(), module = stack_.pop();
        if (!values_.is(name, PickleKind::text) || !values_.is(module, PickleKind::text)) {
          fail("a global whose names are no texts", "the names of a module and of what is in it");
        }
        push(values_.add_global(module, name, operands_.at()));
        return true;
      }
      case kReduce:
      case kNewObj: {
        const PickleRef args = stack_.pop();
        push(object(stack_.pop(), args));
        return true;
      }
      case kNewObjEx: {
        const PickleRef args = tuple_from(stack_.last(2));
        push(object(stack_.pop(), args));
        return true;
      }
      case kInst: {
        const std::string module = operands_.read_line(), name = operands_.read_line();
        const PickleRef args = tuple_from(stack_.pop_mark());
        push(object(global(module, name), args));
        return true;
      }
      case kObj: {
        const size_t first = stack_.pop_mark();
        if (stack_.count_from(first) == 0) fail("no class after a mark", "one");
        const PickleRef callee = stack_[first];
        const PickleRef args = tuple_from(first + 1);
        stack_.drop_from(first);
        push(object(callee, args));
        return true;
      }
      case kBuild: {
        const PickleRef state = stack_.pop(), built = stack_.top();
        if (values_.is(built, PickleKind::object)) {
          values_.change(built).state = state;
        } else if (values_.is(built, PickleKind::global)) {
          values_.call(built);
        }
        return true;
      }
      case kPersId: {
        const std::string line = operands_.read_line();
        push(values_.add_persistent(values_.add_text(PickleKind::text, line, line.size()), operands_.at()));
        return true;
      }
      case kBinPersId:
        push(values_.add_persistent(stack_.pop(), operands_.at()));
        return true;
      case kExt1:
      case kExt2:
      case kExt4:
        fail("a global by its number in a registry (EXT)", "globals by their names");
      case kNextBuffer:
        fail("a buffer that is kept outside of the pickle", "a pickle that is whole by itself");
      default:
        return false;
    }
  }

  PickleRef global(std::string_view module, std::string_view name) {
    const PickleRef module_text = values_.add_text(PickleKind::text, module, module.size());
    const PickleRef name_text = values_.add_text(PickleKind::text, name, name.size());
    return values_.add_global(module_text, name_text, operands_.at());
  }

  PickleRef object(PickleRef callee, PickleRef args) {
    if (values_.is(callee, PickleKind::global)) values_.call(callee);
    return values_.add_object(callee, args, operands_.at());
  }

  PickleStream& stream_;
  PickleOperands operands_;
  PickleValues& values_;
  const uint64_t limit_;
  uint64_t opcodes_ = 0;
  uint64_t peak_ = 0;  // heap of the stack and the memo
  PickleStack stack_{operands_};
};

}  // namespace

PickleRef read_pickle(PickleStream& stream, PickleValues& values, uint64_t limit_bytes) {
  return Unpickler(stream, values, limit_bytes).run();
}

bool begins_as_pickle(std::string_view start) {
  if (start.size() < 3 || static_cast<unsigned char>(start[0]) != kProto) return false;
  const auto protocol = static_cast<unsigned char>(start[1]);
  if (protocol < 2 || protocol > kNewestProtocol) return false;
  constexpr std::string_view kFirst =
      "(NIJKLMFSTUVXBCGc]})lditPp0125.\x82\x83\x84\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x95\x96";
  return kFirst.find(start[2]) != std::string_view::npos;
}

}  // namespace weighbridge
