#include "strategies/checkpoint/hdf5/group.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/hdf5/btree1.h"
#include "strategies/checkpoint/hdf5/btree2.h"
#include "strategies/checkpoint/hdf5/fractal_heap.h"
#include "strategies/checkpoint/hdf5/object_header.h"
#include "strategies/error.h"

namespace weighbridge::hdf5 {
namespace {

class LinkReader {
 public:
  LinkReader(Source& source, uint64_t& room) : source_(source), room_(room) {}

  // A symbol table: a B-tree of nodes of symbols, whose names lie in a heap.
  void read_symbols(uint64_t tree, uint64_t heap_address) {
    constexpr std::string_view kHeap = "the heap of a group's names";
    const uint64_t a = source_.frame().address_bytes, l = source_.frame().length_bytes;
    const Block header = source_.block(kHeap, heap_address, 8 + 2 * l + a);
    Cursor cursor = header.cursor();
    cursor.expect("HEAP", 0);
    cursor.skip(3);
    const uint64_t bytes = cursor.length();
    cursor.length();  // where its free list begins
    const std::optional<uint64_t> data = cursor.address();
    if (!data) cursor.fail("a heap of a group's names at no address", "its address");
    const Block names = source_.block(kHeap, *data, bytes);
    read_node(names, tree, std::nullopt);
  }

  void read_dense(uint64_t heap_address, uint64_t tree) {
    FractalHeap heap(source_, heap_address);
    constexpr uint8_t kByName = 5;
    constexpr size_t kHash = 4;
    BTree2(source_, tree, kByName, kHash + heap.id_bytes()).for_each([&](Cursor record) {
      record.skip(kHash);
      spend(record, 2 * sizeof(uint64_t));
      heap.want(record.part(heap.id_bytes()));
    });
    heap.read([&](const Cursor& object) { read_link(object); });
  }

  // A link message.
  void read_link(Cursor cursor) {
    const uint8_t version = cursor.u8(), flags = cursor.u8();
    if (version != 1) cursor.fail(fmt::format("a link of version {}", version), "1");
    constexpr uint8_t kHard = 0, kSoft = 1, kExternal = 64;
    const uint8_t type = (flags & 0x08) != 0 ? cursor.u8() : kHard;
    if ((flags & 0x04) != 0) cursor.skip(8);  // order of creation
    if ((flags & 0x10) != 0) cursor.skip(1);  // character set
    const uint64_t name_bytes = cursor.number(size_t{1} << (flags & 3));
    const auto name = cursor.take(name_bytes);
    Link link;
    link.name = take_name(cursor, name);
    if (type == kHard) {
      const std::optional<uint64_t> address = cursor.address();
      if (!address) cursor.fail(fmt::format("a link {} to no address", in_quotes(link.name)), "its object's address");
      link.address = *address;
    } else {
      link.kind = type == kSoft ? Link::Kind::soft : type == kExternal ? Link::Kind::external : Link::Kind::other;
    }
    links_.push_back(std::move(link));
  }

  std::vector<Link> sorted() && {
    std::sort(links_.begin(), links_.end(), [](const Link& a, const Link& b) { return a.name < b.name; });
    const auto twice =
        std::adjacent_find(links_.begin(), links_.end(), [](const Link& a, const Link& b) { return a.name == b.name; });
    if (twice != links_.end()) {
      const Block none(source_.file(), source_.frame(), "a group", source_.frame().base, {});
      none.cursor().fail(fmt::format("a group with {} twice", in_quotes(twice->name)), "each name once");
    }
    return std::move(links_);
  }

 private:
  void read_node(const Block& names, uint64_t address, std::optional<uint8_t> below) {
    const size_t key = source_.frame().length_bytes;
    const BTree1Node node = read_btree1_node(source_, BTree1Type::symbols, address, key, below);
    Cursor entries = node.entries.cursor();
    for (unsigned i = 0; i < node.children; ++i) {
      entries.skip(key);
      const std::optional<uint64_t> child = entries.address();
      if (!child) entries.fail("a node of a B-tree with a child at no address", "its address");
      if (node.level > 0) {
        read_node(names, *child, node.level);
      } else {
        read_symbol_node(names, *child);
      }
    }
  }

  void read_symbol_node(const Block& names, uint64_t address) {
    constexpr std::string_view kWhat = "a node of a symbol table";
    constexpr uint64_t kHeader = 8;
    const Block header = source_.block(kWhat, address, kHeader);
    Cursor start = header.cursor();
    start.expect("SNOD", 1);
    start.skip(1);
    const uint16_t count = start.u16();
    const uint64_t entry_bytes = 2u * source_.frame().address_bytes + 4 + 4 + 16;
    const Block entries = source_.block(kWhat, address + kHeader, count * entry_bytes);
    Cursor cursor = entries.cursor();
    for (unsigned i = 0; i < count; ++i) {
      Cursor entry = cursor.part(entry_bytes);
      const uint64_t name_at = entry.number(source_.frame().address_bytes);
      const std::optional<uint64_t> object = entry.address();
      constexpr uint32_t kSoftLink = 2;
      const bool soft = entry.u32() == kSoftLink;
      Cursor text = names.cursor();
      text.skip(name_at);
      const auto rest = text.take(text.left());
      const auto end = std::find(rest.begin(), rest.end(), 0);
      if (end == rest.end()) text.fail("a group's name without an end", "a byte 0 after it");
      Link link;
      link.name = take_name(entry, rest.first(static_cast<size_t>(end - rest.begin())));
      if (soft) {
        link.kind = Link::Kind::soft;
      } else if (object) {
        link.address = *object;
      } else {
        entry.fail(fmt::format("a link {} to no address", in_quotes(link.name)), "its object's address");
      }
      links_.push_back(std::move(link));
    }
  }

  std::string take_name(const Cursor& at, std::span<const unsigned char> name) {
    spend(at, sizeof(Link) + name.size());
    return {name.begin(), name.end()};
  }

  void spend(const Cursor& at, uint64_t bytes) {
    if (bytes > room_) at.fail("more names than the file has room for", "names that are stored once");
    room_ -= bytes;
  }

  Source& source_;
  uint64_t& room_;
  std::vector<Link> links_;
};

}  // namespace

std::vector<Link> read_links(Source& source, uint64_t address, const Object& object, uint64_t& room) {
  LinkReader reader(source, room);
  if (object.symbol_tree && object.symbol_heap) reader.read_symbols(*object.symbol_tree, *object.symbol_heap);
  if (object.link_heap && object.link_tree) reader.read_dense(*object.link_heap, *object.link_tree);
  if (object.has_links) {
    for_each_message(source, address, [&](const Message& message) {
      if (message.type == MessageType::link) reader.read_link(message.body);
    });
  }
  return std::move(reader).sorted();
}

}  // namespace weighbridge::hdf5
