// The machine is Python's: a stack, marks in it, a memo. Where Python would call something, a record of the call is
// pushed instead, and everything goes on as if that were the object; so a pickle is read to its end whatever it asks
// for, and what stands beside a hostile call is still found.
//
// It is stricter than Python's in one thing: a memo index must not pass the number of opcodes read so far (writers
// count from 0 or 1), as an index of four bytes would otherwise ask for a table of 2^32 entries.
#include "strategies/checkpoint/pickle.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <charconv>
#include <string>

#include "strategies/checkpoint/format.h"

namespace weighbridge {
namespace {

enum Opcode : uint8_t {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kDup = '2',
  kFloat = 'F',
  kInt = 'I',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kLong = 'L',
  kBinInt2 = 'M',
  kNone = 'N',
  kPersId = 'P',
  kBinPersId = 'Q',
  kReduce = 'R',
  kString = 'S',
  kBinString = 'T',
  kShortBinString = 'U',
  kUnicode = 'V',
  kBinUnicode = 'X',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kDict = 'd',
  kEmptyDict = '}',
  kAppends = 'e',
  kGet = 'g',
  kBinGet = 'h',
  kInst = 'i',
  kLongBinGet = 'j',
  kList = 'l',
  kEmptyList = ']',
  kObj = 'o',
  kPut = 'p',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kEmptyTuple = ')',
  kSetItems = 'u',
  kBinFloat = 'G',
  kProto = 0x80,
  kNewObj = 0x81,
  kExt1 = 0x82,
  kExt2 = 0x83,
  kExt4 = 0x84,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
  kLong4 = 0x8b,
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kBinBytes8 = 0x8e,
  kEmptySet = 0x8f,
  kAddItems = 0x90,
  kFrozenSet = 0x91,
  kNewObjEx = 0x92,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
  kByteArray8 = 0x96,
  kNextBuffer = 0x97,
  kReadonlyBuffer = 0x98,
};

constexpr unsigned kNewestProtocol = 5;

class Unpickler {
 public:
  Unpickler(PickleStream& stream, PickleValues& values, uint64_t limit)
      : stream_(stream), values_(values), limit_(limit) {}

  PickleRef run() {
    for (;;) {
      at_ = stream_.position();
      ++opcodes_;
      const int opcode = stream_.next();
      if (opcode < 0) fail("the end of the bytes", "a pickle that goes on: it was cut, or is none");
      if (opcode == kStop) return pop();
      if (!number(opcode) && !text(opcode) && !container(opcode) && !stack(opcode) && !call(opcode)) {
        fail(describe(opcode), "a pickle's opcode");
      }
      // Of the stack and memo too: each is in proportion to the opcodes read.
      if (values_.heap_bytes() + (stack_.size() + marks_.size() + memo_.size()) * sizeof(PickleRef) > limit_) {
        fail(fmt::format("values that take more than {} bytes", limit_), "a pickle that describes less");
      }
    }
  }

 private:
  [[noreturn]] void fail(std::string_view found, std::string_view expected) const {
    stream_.fail(at_, found, expected);
  }

  static std::string describe(int opcode) {
    return opcode > 0x20 && opcode < 0x7f ? fmt::format("'{}'", static_cast<char>(opcode))
                                          : fmt::format("byte 0x{:02x}", opcode);
  }

  // --- the stack ---

  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  void push(PickleRef value) { stack_.push_back(value); }

  PickleRef pop() {
    const PickleRef value = top();
    stack_.pop_back();
    return value;
  }

  PickleRef top() const {
    if (stack_.size() <= floor()) fail("an opcode that takes more than there is on the stack", "a whole pickle");
    return stack_.back();
  }

  // Where the values since the last mark begin; takes the mark away.
  size_t pop_mark() {
    if (marks_.empty()) fail("an opcode that takes what follows a mark", "a mark before it");
    const size_t first = marks_.back();
    marks_.pop_back();
    return first;
  }

  PickleRef tuple_from(size_t first) {
    const PickleRef tuple =
        values_.add_tuple(static_cast<uint32_t>(stack_.size() - first), [&](uint32_t i) { return stack_[first + i]; });
    stack_.resize(first);
    return tuple;
  }

  PickleRef tuple_of(size_t count) {
    if (stack_.size() - floor() < count) fail("too short a stack", "the items of a tuple");
    return tuple_from(stack_.size() - count);
  }

  // Puts the values from `first` on into `container`, of whatever is below them.
  void fill(PickleRef container, size_t first) {
    values_.append(container, static_cast<uint32_t>(stack_.size() - first),
                   [&](uint32_t i) { return stack_[first + i]; });
    stack_.resize(first);
  }

  // --- numbers off the stream ---

  void require(uint64_t bytes) const {
    if (bytes > stream_.left()) {
      fail(fmt::format("an opcode with {} bytes", bytes), fmt::format("at most the {} that follow", stream_.left()));
    }
  }

  uint64_t read_unsigned(unsigned bytes) {
    require(bytes);
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; ++i) value |= static_cast<uint64_t>(stream_.next()) << (8 * i);
    return value;
  }

  // Up to the newline, which is passed; its first kMostText bytes.
  std::string read_line() {
    std::string line;
    for (int byte; (byte = stream_.next()) != '\n';) {
      if (byte < 0) fail("the end of the bytes", "the newline that ends an opcode's text");
      if (line.size() < PickleValues::kMostText) line.push_back(static_cast<char>(byte));
    }
    return line;
  }

  std::string read_kept(uint64_t bytes) {
    require(bytes);
    std::string kept(static_cast<size_t>(std::min<uint64_t>(bytes, PickleValues::kMostText)), '\0');
    stream_.read(kept.data(), kept.size());
    stream_.skip(bytes - kept.size());
    return kept;
  }

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
        push(values_.add_integer(static_cast<int32_t>(read_unsigned(4))));
        return true;
      case kBinInt1:
        push(values_.add_integer(static_cast<int64_t>(read_unsigned(1))));
        return true;
      case kBinInt2:
        push(values_.add_integer(static_cast<int64_t>(read_unsigned(2))));
        return true;
      case kLong1:
        push(long_integer(read_unsigned(1)));
        return true;
      case kLong4:
        push(long_integer(read_unsigned(4)));
        return true;
      case kInt:
      case kLong:
        push(decimal(opcode));
        return true;
      case kFloat: {
        const std::string line = read_line();
        double value = 0;
        std::from_chars(line.data(), line.data() + line.size(), value);  // nobody's size depends on it
        push(values_.add_real(value));
        return true;
      }
      case kBinFloat:  // big-endian, alone among the opcodes
        push(values_.add_real(std::bit_cast<double>(__builtin_bswap64(read_unsigned(8)))));
        return true;
      default:
        return false;
    }
  }

  PickleRef long_integer(uint64_t bytes) {
    const std::string kept = read_kept(bytes);
    if (bytes > 8) return values_.add_text(PickleKind::large, kept, bytes);
    uint64_t value = !kept.empty() && (kept.back() & 0x80) != 0 ? UINT64_MAX : 0;
    for (size_t i = kept.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(kept[i]);
    return values_.add_integer(static_cast<int64_t>(value));
  }

  PickleRef decimal(int opcode) {
    std::string line = read_line();
    if (opcode == kInt && line == "00") return PickleValues::kFalse;
    if (opcode == kInt && line == "01") return PickleValues::kTrue;
    if (line.ends_with('L')) line.pop_back();
    int64_t value = 0;
    const auto [end, failed] = std::from_chars(line.data(), line.data() + line.size(), value);
    if (failed == std::errc::result_out_of_range) return values_.add_text(PickleKind::large, line, line.size());
    if (failed != std::errc() || end != line.data() + line.size()) {
      fail(fmt::format("the number {}", in_quotes(line)), "a whole number");
    }
    return values_.add_integer(value);
  }

  // --- texts and bytes ---

  bool text(int opcode) {
    switch (opcode) {
      case kString:
      case kUnicode: {
        std::string line = read_line();  // escapes stay as they are: no writer of tensors uses protocol 0
        if (opcode == kString && line.size() >= 2 && (line[0] == '\'' || line[0] == '"') && line.back() == line[0]) {
          line = line.substr(1, line.size() - 2);
        }
        push(values_.add_text(PickleKind::text, line, line.size()));
        return true;
      }
      case kShortBinString:
      case kShortBinUnicode:
        push_text(read_unsigned(1));
        return true;
      case kBinString:
      case kBinUnicode:
        push_text(read_unsigned(4));
        return true;
      case kBinUnicode8:
        push_text(read_unsigned(8));
        return true;
      case kShortBinBytes:
        push_bytes(read_unsigned(1));
        return true;
      case kBinBytes:
        push_bytes(read_unsigned(4));
        return true;
      case kBinBytes8:
      case kByteArray8:
        push_bytes(read_unsigned(8));
        return true;
      default:
        return false;
    }
  }

  void push_text(uint64_t bytes) { push(values_.add_text(PickleKind::text, read_kept(bytes), bytes)); }

  void push_bytes(uint64_t bytes) {
    require(bytes);
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
        push(tuple_of(static_cast<size_t>(opcode - kTuple1 + 1)));
        return true;
      case kTuple:
        push(tuple_from(pop_mark()));
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
        require_pairs();
        push_filled(PickleKind::dict);
        return true;
      case kAppend:
        top();
        put(stack_.size() - 1, false);
        return true;
      case kAppends:
      case kAddItems:
        put(pop_mark(), false);
        return true;
      case kSetItem:
        if (stack_.size() - floor() < 3) fail("too short a stack", "a dict, a key and a value");
        put(stack_.size() - 2, true);
        return true;
      case kSetItems:
        require_pairs();
        put(pop_mark(), true);
        return true;
      default:
        return false;
    }
  }

  void push_filled(PickleKind kind) {
    const size_t first = pop_mark();
    const PickleRef container = values_.add_container(kind);
    fill(container, first);
    push(container);
  }

  void require_pairs() const {
    if (!marks_.empty() && (stack_.size() - marks_.back()) % 2 != 0) fail("a key without a value", "pairs of them");
  }

  // Puts the stack's values from `first` on into what lies below them: a container, or an object that was asked for,
  // which keeps such items beside its arguments.
  void put(size_t first, bool pairs) {
    if (first <= floor() || first > stack_.size()) fail("items on an empty stack", "a container below them");
    PickleRef into = stack_[first - 1];
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

  bool stack(int opcode) {
    switch (opcode) {
      case kMark:
        marks_.push_back(static_cast<uint32_t>(stack_.size()));
        return true;
      case kPop:
        if (!marks_.empty() && marks_.back() == stack_.size()) {
          marks_.pop_back();
        } else {
          pop();
        }
        return true;
      case kPopMark:
        stack_.resize(pop_mark());
        return true;
      case kDup:
        push(top());
        return true;
      case kGet:
        push(recall(line_index()));
        return true;
      case kBinGet:
        push(recall(read_unsigned(1)));
        return true;
      case kLongBinGet:
        push(recall(read_unsigned(4)));
        return true;
      case kPut:
        keep(line_index());
        return true;
      case kBinPut:
        keep(read_unsigned(1));
        return true;
      case kLongBinPut:
        keep(read_unsigned(4));
        return true;
      case kMemoize:
        keep(memo_.size());
        return true;
      case kProto:
        if (const uint64_t protocol = read_unsigned(1); protocol > kNewestProtocol) {
          fail(fmt::format("a pickle of protocol {}", protocol), fmt::format("at most {}", kNewestProtocol));
        }
        return true;
      case kFrame:
        require(read_unsigned(8));
        return true;
      case kReadonlyBuffer:
        top();
        return true;
      default:
        return false;
    }
  }

  uint64_t line_index() {
    const std::string line = read_line();
    uint64_t index = 0;
    const auto [end, failed] = std::from_chars(line.data(), line.data() + line.size(), index);
    if (failed != std::errc() || end != line.data() + line.size()) {
      fail(fmt::format("the memo index {}", in_quotes(line)), "a whole number");
    }
    return index;
  }

  PickleRef recall(uint64_t index) const {
    if (index >= memo_.size() || memo_[index] == kNothing) {
      fail(fmt::format("memo index {}", index), "one that was filled before");
    }
    return memo_[index];
  }

  void keep(uint64_t index) {
    const PickleRef value = top();
    if (index > opcodes_) fail(fmt::format("memo index {}", index), "indices in order");
    if (index >= memo_.size()) memo_.resize(index + 1, kNothing);
    memo_[index] = value;
  }

  // --- what Python would look up, and call ---

  bool call(int opcode) {
    switch (opcode) {
      case kGlobal: {
        const std::string module = read_line(), name = read_line();
        push(global(module, name));
        return true;
      }
      case kStackGlobal: {
        const PickleRef name = pop(), module = pop();
        if (!values_.is(name, PickleKind::text) || !values_.is(module, PickleKind::text)) {
          fail("a global whose names are no texts", "the names of a module and of what is in it");
        }
        push(values_.add_global(module, name, at_));
        return true;
      }
      case kReduce:
      case kNewObj: {
        const PickleRef args = pop();
        push(object(pop(), args));
        return true;
      }
      case kNewObjEx: {
        const PickleRef args = tuple_of(2);
        push(object(pop(), args));
        return true;
      }
      case kInst: {
        const std::string module = read_line(), name = read_line();
        const PickleRef args = tuple_from(pop_mark());
        push(object(global(module, name), args));
        return true;
      }
      case kObj: {
        const size_t first = pop_mark();
        if (first >= stack_.size()) fail("no class after a mark", "one");
        const PickleRef callee = stack_[first];
        const PickleRef args = tuple_from(first + 1);
        stack_.pop_back();
        push(object(callee, args));
        return true;
      }
      case kBuild: {
        const PickleRef state = pop(), built = top();
        if (values_.is(built, PickleKind::object)) {
          values_.change(built).state = state;
        } else if (values_.is(built, PickleKind::global)) {
          values_.call(built);
        }
        return true;
      }
      case kPersId: {
        const std::string line = read_line();
        push(values_.add_persistent(values_.add_text(PickleKind::text, line, line.size()), at_));
        return true;
      }
      case kBinPersId:
        push(values_.add_persistent(pop(), at_));
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
    return values_.add_global(module_text, name_text, at_);
  }

  PickleRef object(PickleRef callee, PickleRef args) {
    if (values_.is(callee, PickleKind::global)) values_.call(callee);
    return values_.add_object(callee, args, at_);
  }

  static constexpr PickleRef kNothing = UINT32_MAX;

  PickleStream& stream_;
  PickleValues& values_;
  const uint64_t limit_;
  uint64_t at_ = 0;  // of the opcode at work
  uint64_t opcodes_ = 0;
  std::deque<PickleRef> stack_, memo_;
  std::deque<uint32_t> marks_;
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
