#include "strategies/checkpoint/hdf5/object_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "strategies/checkpoint/hdf5/fractal_heap.h"
#include "strategies/error.h"

namespace weighbridge::hdf5 {
namespace {

constexpr std::string_view kWhat = "an object header";

struct Stretch {
  uint64_t address, bytes;
};

class HeaderReader {
 public:
  HeaderReader(Source& source, const std::function<void(const Message&)>& visit) : source_(source), visit_(visit) {}

  void read(uint64_t address) {
    const Block start = source_.block(kWhat, address, 1);
    const bool old = start.cursor().u8() == 1;
    if (old) {
      read_first_old(address);
    } else {
      read_first_new(address);
    }
    // Continuations may name continuations, and a hostile header itself: they are few, and no longer than the file.
    constexpr size_t kMost = 4096;
    for (size_t i = 0; i < continuations_.size(); ++i) {
      const Stretch next = continuations_[i];
      if (i == kMost || next.bytes > source_.frame().bytes - std::min(total_, source_.frame().bytes)) {
        throw format_error(source_.file().path(), source_.file_offset(kWhat, address, 0),
                           "an object header whose continuations do not end", "fewer of them");
      }
      total_ += next.bytes;
      const Block block = source_.block(kWhat, next.address, next.bytes);
      if (old) {
        messages_old(block.cursor());
      } else {
        Cursor cursor = block.checked();
        for (const char letter : std::string_view("OCHK")) {
          if (cursor.u8() != letter) cursor.fail("a continuation of an object header without OCHK", "that signature");
        }
        messages_new(cursor);
      }
    }
  }

 private:
  void read_first_old(uint64_t address) {
    constexpr uint64_t kPrefix = 16;  // 12 bytes of fields, padded
    const Block prefix = source_.block(kWhat, address, kPrefix);
    Cursor cursor = prefix.cursor();
    cursor.skip(1 + 1 + 2 + 4);  // version, reserved, number of messages, references
    const Block messages = source_.block(kWhat, address + kPrefix, cursor.u32());
    messages_old(messages.cursor());
  }

  void read_first_new(uint64_t address) {
    constexpr uint64_t kLongest = 4 + 1 + 1 + 16 + 4 + 8;
    const Block start = source_.block(kWhat, address, std::min(kLongest, source_.frame().bytes - address));
    Cursor cursor = start.cursor();
    cursor.expect("OHDR", 2);
    flags_ = cursor.u8();
    if ((flags_ & 0x20) != 0) cursor.skip(16);  // times
    if ((flags_ & 0x10) != 0) cursor.skip(4);   // when attributes move to a heap
    const uint64_t bytes = cursor.number(size_t{1} << (flags_ & 3));
    const uint64_t prefix = cursor.position();
    constexpr uint64_t kChecksum = 4;
    if (bytes > source_.frame().bytes)
      cursor.fail(fmt::format("an object header of {} bytes", bytes), "one in the file");
    const Block block = source_.block(kWhat, address, prefix + bytes + kChecksum);
    Cursor whole = block.checked();
    whole.skip(prefix);
    messages_new(whole);
  }

  void messages_old(Cursor cursor) {
    constexpr size_t kMessageHeader = 8;
    while (cursor.left() >= kMessageHeader) {
      const uint16_t type = cursor.u16();
      const uint16_t bytes = cursor.u16();
      const uint8_t flags = cursor.u8();
      cursor.skip(3);
      take({static_cast<MessageType>(type), flags, cursor.part(bytes)});
    }
  }

  void messages_new(Cursor cursor) {
    const size_t header = (flags_ & 0x04) != 0 ? 6 : 4;  // with the order of creation
    while (cursor.left() >= header) {                    // less than that is a gap
      const uint8_t type = cursor.u8();
      const uint16_t bytes = cursor.u16();
      const uint8_t flags = cursor.u8();
      cursor.skip(header - 4);
      take({static_cast<MessageType>(type), flags, cursor.part(bytes)});
    }
  }

  void take(const Message& message) {
    if (message.type != MessageType::continuation) {
      visit_(message);
      return;
    }
    Cursor body = message.body;
    const std::optional<uint64_t> address = body.address();
    const uint64_t bytes = body.length();
    if (!address) body.fail("a continuation of an object header at no address", "its address");
    continuations_.push_back({*address, bytes});
  }

  Source& source_;
  const std::function<void(const Message&)>& visit_;
  uint8_t flags_ = 0;  // of a version 2 header
  std::vector<Stretch> continuations_;
  uint64_t total_ = 0;
};

}  // namespace

void for_each_message(Source& source, uint64_t address, const std::function<void(const Message&)>& visit) {
  HeaderReader(source, visit).read(address);
}

void resolve_shared(Source& source, const Message& message, const std::function<void(const Message&)>& visit) {
  Cursor body = message.body;
  const uint8_t version = body.u8(), type = body.u8();
  if (version < 1 || version > 3) body.fail(fmt::format("a shared message of version {}", version), "1 to 3");
  constexpr uint8_t kInHeap = 1;
  if (version == 3 && type == kInHeap) {
    // Both kinds of fill values are counted as the later one (H5SM_type_to_flag).
    const auto kind =
        static_cast<unsigned>(message.type == MessageType::old_fill_value ? MessageType::fill_value : message.type);
    for (const SharedHeap& shared : source.shared()) {
      if (kind >= 16 || (shared.kinds >> kind & 1) == 0) continue;
      FractalHeap heap(source, shared.address);
      heap.want(body.part(heap.id_bytes()));
      heap.read([&](const Cursor& object) { visit({message.type, 0, object}); });
      return;
    }
    body.fail("a shared message without a heap for its kind", "one in the table of shared messages");
  }
  if (version == 1) {
    body.skip(6);
    body.length();
  }
  const std::optional<uint64_t> address = body.address();
  if (!address) body.fail("a shared message at no address", "its address");
  bool found = false;
  for_each_message(source, *address, [&](const Message& candidate) {
    if (candidate.type != message.type || candidate.shared() || found) return;
    found = true;
    visit(candidate);
  });
  if (!found) {
    body.fail(fmt::format("a shared message that is not at address {}", *address), "a committed datatype there");
  }
}

}  // namespace weighbridge::hdf5
