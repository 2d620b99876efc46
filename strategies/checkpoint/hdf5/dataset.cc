#include "strategies/checkpoint/hdf5/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "strategies/checkpoint/hdf5/object_header.h"

namespace weighbridge::hdf5 {
namespace {

struct Dataspace {
  bool null = false;
  std::vector<uint64_t> shape, most;
};

Dataspace read_dataspace(Cursor cursor) {
  const uint8_t version = cursor.u8(), rank = cursor.u8(), flags = cursor.u8();
  Dataspace space;
  if (version == 1) {
    cursor.skip(5);
  } else if (version == 2) {
    constexpr uint8_t kNull = 2;
    space.null = cursor.u8() == kNull;
  } else {
    cursor.fail(fmt::format("a dataspace of version {}", version), "1 or 2");
  }
  if (rank > kMaximumRank) {
    cursor.fail(fmt::format("a dataset of {} dimensions", rank), fmt::format("at most {}", kMaximumRank));
  }
  for (unsigned i = 0; i < rank; ++i) space.shape.push_back(cursor.length());
  space.most = space.shape;
  if ((flags & 1) != 0) {
    const uint64_t without_end = UINT64_MAX >> (64 - 8 * cursor.frame().length_bytes);
    for (uint64_t& most : space.most) {
      most = cursor.length();
      if (most == without_end) most = UINT64_MAX;
    }
  }
  return space;
}

// A layout message by itself: what it means for a dataset is known once the other messages are.
struct RawLayout {
  Layout layout = Layout::contiguous;
  std::optional<uint64_t> address;
  uint64_t bytes = UINT64_MAX;  // of contiguous and compact elements; UINT64_MAX: not said
  Chunking chunking;            // its shape with the element's size as the last dimension
  std::string other;
};

constexpr uint8_t kCompact = 0, kContiguous = 1, kChunked = 2, kVirtual = 3;

void read_compact(Cursor& cursor, uint64_t bytes, RawLayout& raw) {
  raw.layout = Layout::compact;
  raw.bytes = bytes;
  raw.address = cursor.file_offset() - cursor.frame().base;
  cursor.skip(bytes);
}

// Versions 1 and 2, after the version.
void read_layout_old(Cursor& cursor, RawLayout& raw) {
  const uint8_t dimensions = cursor.u8(), kind = cursor.u8();
  cursor.skip(5);
  if (kind == kContiguous || kind == kChunked) raw.address = cursor.address();
  for (unsigned i = 0; i < dimensions; ++i) {
    const uint32_t size = cursor.u32();
    if (kind == kChunked) raw.chunking.shape.push_back(size);
  }
  // Of contiguous elements these are no more than a copy of the shape, cut to 32 bits.
  if (kind == kCompact) return read_compact(cursor, cursor.u32(), raw);
  if (kind == kContiguous) return;
  if (kind != kChunked) cursor.fail(fmt::format("a layout of class {}", kind), "0 to 2");
  raw.layout = Layout::chunked;
  raw.chunking.address = raw.address;
}

void read_chunking_v4(Cursor& cursor, RawLayout& raw) {
  constexpr uint8_t kUnfilteredEdges = 1, kFilteredSingle = 2;
  Chunking& chunking = raw.chunking;
  const uint8_t flags = cursor.u8(), dimensions = cursor.u8(), encoded = cursor.u8();
  if (encoded < 1 || encoded > 8) cursor.fail(fmt::format("chunk sizes of {} bytes each", encoded), "1 to 8");
  for (unsigned i = 0; i < dimensions; ++i) chunking.shape.push_back(cursor.number(encoded));
  chunking.unfiltered_edges = (flags & kUnfilteredEdges) != 0;
  const uint8_t index = cursor.u8();
  switch (index) {
    case 1:
      chunking.index = ChunkIndexType::single;
      if ((flags & kFilteredSingle) != 0) {
        chunking.single_bytes = cursor.length();
        chunking.single_mask = cursor.u32();
      }
      break;
    case 2:
      chunking.index = ChunkIndexType::implicit;
      break;
    case 3:
      chunking.index = ChunkIndexType::fixed_array;
      cursor.skip(1);  // which the array's header repeats, as below
      break;
    case 4:
      chunking.index = ChunkIndexType::extensible_array;
      cursor.skip(5);
      break;
    case 5:
      chunking.index = ChunkIndexType::btree2;
      cursor.skip(6);
      break;
    default:
      cursor.fail(fmt::format("a chunk index of type {}", index), "1 to 5");
  }
  chunking.address = cursor.address();
}

RawLayout read_layout(Cursor cursor) {
  RawLayout raw;
  const uint8_t version = cursor.u8();
  if (version == 1 || version == 2) {
    read_layout_old(cursor, raw);
    return raw;
  }
  if (version != 3 && version != 4) {
    raw.other = fmt::format("a layout of version {}", version);
    return raw;
  }
  const uint8_t kind = cursor.u8();
  if (kind == kCompact) {
    read_compact(cursor, cursor.u16(), raw);
  } else if (kind == kContiguous) {
    raw.address = cursor.address();
    raw.bytes = cursor.length();
  } else if (kind == kChunked) {
    raw.layout = Layout::chunked;
    if (version == 4) {
      read_chunking_v4(cursor, raw);
    } else {
      const uint8_t dimensions = cursor.u8();
      raw.chunking.address = cursor.address();
      for (unsigned i = 0; i < dimensions; ++i) raw.chunking.shape.push_back(cursor.u32());
    }
  } else if (kind == kVirtual && version == 4) {
    raw.other = "a view of other datasets";
  } else {
    cursor.fail(fmt::format("a layout of class {}", kind), "0 to 3");
  }
  return raw;
}

std::vector<Filter> read_filters(Cursor cursor) {
  constexpr uint8_t kMostFilters = 32;   // H5Z_MAX_NFILTERS
  constexpr uint16_t kFirstNamed = 256;  // below, version 2 leaves the name out
  const uint8_t version = cursor.u8(), count = cursor.u8();
  if (version != 1 && version != 2) cursor.fail(fmt::format("a filter pipeline of version {}", version), "1 or 2");
  if (count > kMostFilters) cursor.fail(fmt::format("{} filters", count), fmt::format("at most {}", kMostFilters));
  if (version == 1) cursor.skip(6);
  std::vector<Filter> filters;
  for (unsigned i = 0; i < count; ++i) {
    Filter filter;
    filter.id = cursor.u16();
    const uint16_t name_bytes = version == 1 || filter.id >= kFirstNamed ? cursor.u16() : uint16_t{0};
    cursor.skip(2);  // flags: whether writing could go on without it
    const uint16_t parameters = cursor.u16();
    cursor.skip(version == 1 ? (name_bytes + 7u) / 8 * 8 : name_bytes);
    for (unsigned p = 0; p < parameters; ++p) filter.parameters.push_back(cursor.u32());
    if (version == 1 && parameters % 2 == 1) cursor.skip(4);
    filters.push_back(std::move(filter));
  }
  return filters;
}

std::vector<unsigned char> fill_of(Cursor& cursor) {
  const uint32_t bytes = cursor.u32();
  constexpr uint32_t kUndefined = UINT32_MAX;
  if (bytes == kUndefined) return {};
  const auto value = cursor.take(bytes);
  return {value.begin(), value.end()};
}

std::vector<unsigned char> read_fill(Cursor cursor) {
  const uint8_t version = cursor.u8();
  if (version == 3) {
    constexpr uint8_t kHasValue = 0x20;
    return (cursor.u8() & kHasValue) != 0 ? fill_of(cursor) : std::vector<unsigned char>();
  }
  if (version != 1 && version != 2) cursor.fail(fmt::format("a fill value of version {}", version), "1 to 3");
  cursor.skip(2);  // when to allocate, when to write it
  return cursor.u8() != 0 ? fill_of(cursor) : std::vector<unsigned char>();
}

// All that a header's messages tell, before they are held against each other.
struct Parts {
  std::optional<Dataspace> space;
  std::optional<TypeOrNot> type;
  std::optional<RawLayout> layout;
  std::vector<Filter> filters;
  std::vector<unsigned char> fill;
  std::optional<std::string> dtype_attribute;
  bool external = false, needs_more = false;
  Object object;
};

void take(Source& source, const Message& message, Parts& parts) {
  if (message.shared()) {
    switch (message.type) {
      case MessageType::datatype:
      case MessageType::dataspace:
      case MessageType::filters:
      case MessageType::fill_value:
      case MessageType::old_fill_value:
        resolve_shared(source, message, [&](const Message& found) { take(source, found, parts); });
        return;
      case MessageType::attribute:
        return;  // none that matters here is
      default:
        break;  // others cannot be shared, whatever the flag says
    }
  }
  Cursor body = message.body;
  switch (message.type) {
    case MessageType::dataspace:
      if (!parts.space) parts.space = read_dataspace(body);
      break;
    case MessageType::datatype:
      if (!parts.type) parts.type = read_type(body);
      break;
    case MessageType::layout:
      if (!parts.layout) parts.layout = read_layout(body);
      break;
    case MessageType::filters:
      if (parts.filters.empty()) parts.filters = read_filters(body);
      break;
    case MessageType::old_fill_value:
      if (parts.fill.empty()) parts.fill = fill_of(body);
      break;
    case MessageType::fill_value:
      if (auto fill = read_fill(body); !fill.empty()) parts.fill = std::move(fill);
      break;
    case MessageType::attribute:
      if (!parts.dtype_attribute) parts.dtype_attribute = read_dtype_attribute(source, body);
      break;
    case MessageType::external_files:
      parts.external = true;
      break;
    case MessageType::symbol_table:
      parts.object.is_group = true;
      parts.object.symbol_tree = body.address();
      parts.object.symbol_heap = body.address();
      break;
    case MessageType::link_info: {
      parts.object.is_group = true;
      const uint8_t version = body.u8(), flags = body.u8();
      if (version != 0) body.fail(fmt::format("link information of version {}", version), "0");
      if ((flags & 1) != 0) body.skip(8);  // the greatest order of creation
      parts.object.link_heap = body.address();
      parts.object.link_tree = body.address();
      break;
    }
    case MessageType::link:
      parts.object.has_links = true;
      break;
    default:
      if ((message.type > MessageType::cache_image || message.type == MessageType::unassigned) &&
          message.needs_to_be_known()) {
        parts.needs_more = true;
      }
      break;
  }
}

void require_chunks_that_fit(const Cursor& at, const Dataset& dataset, std::vector<uint64_t>& shape) {
  if (shape.size() != dataset.shape.size() + 1 || shape.size() < 2) {
    at.fail(fmt::format("chunks of {} dimensions in a dataset of {}", shape.empty() ? 0 : shape.size() - 1,
                        dataset.shape.size()),
            "as many, and at least one");
  }
  if (shape.back() != dataset.type.bytes()) {
    at.fail(fmt::format("chunks of {}-byte elements", shape.back()),
            fmt::format("{} bytes, as the datatype says", dataset.type.bytes()));
  }
  shape.pop_back();
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) at.fail("chunks of no elements", "at least one");
  const std::optional<uint64_t> elements = element_count(shape);
  if (!elements || !packed_bytes(dataset.type.dtype, *elements)) at.fail("chunks of 2^64 bytes or more", "fewer");
}

DatasetOrNot combine(Source& source, const Cursor& at, Parts& parts) {
  const auto other = [](std::string what) { return DatasetOrNot{std::nullopt, std::move(what)}; };
  if (parts.needs_more) return other("a message of a later version of HDF5 that must be understood");
  if (!parts.layout) at.fail("a dataset without a layout", "one");
  if (parts.external) return other("elements in files of their own");
  if (parts.space->null) return other("nothing (a null dataspace)");
  Dataset dataset;
  if (parts.type->type) {
    dataset.type = *parts.type->type;
  } else if (parts.type->opaque_pairs && parts.dtype_attribute == "bfloat16") {
    dataset.type = {Dtype::bf16, false, 0, 16};
  } else {
    return other(parts.type->other);
  }
  RawLayout& raw = *parts.layout;
  if (!raw.other.empty()) return other(raw.other);
  dataset.shape = std::move(parts.space->shape);
  dataset.most = std::move(parts.space->most);
  const std::optional<uint64_t> elements = element_count(dataset.shape);
  if (!elements || !packed_bytes(dataset.type.dtype, *elements)) at.fail("a dataset of 2^64 bytes or more", "fewer");

  dataset.fill = std::move(parts.fill);
  if (!dataset.fill.empty() && dataset.fill.size() != dataset.type.bytes()) {
    at.fail(fmt::format("a fill value of {} bytes", dataset.fill.size()), fmt::format("{}", dataset.type.bytes()));
  }
  dataset.layout = raw.layout;
  if (raw.layout == Layout::chunked) {
    dataset.chunking = std::move(raw.chunking);
    dataset.chunking.filters = std::move(parts.filters);
    require_chunks_that_fit(at, dataset, dataset.chunking.shape);
  } else if (raw.address && dataset.bytes() > 0) {
    if (raw.bytes < dataset.bytes()) {
      at.fail(fmt::format("a dataset of {} bytes in {}", dataset.bytes(), raw.bytes), "room for all of them");
    }
    dataset.data_offset = source.file_offset("a dataset", *raw.address, dataset.bytes());
  }
  return {std::move(dataset), {}};
}

}  // namespace

uint64_t Chunking::chunk_elements() const {
  return *element_count(shape);
}

Object read_object(Source& source, uint64_t address) {
  Parts parts;
  for_each_message(source, address, [&](const Message& message) { take(source, message, parts); });
  const Block start = source.block("an object header", address, 1);
  const Cursor at = start.cursor();
  if (parts.needs_more && parts.object.is_group) {
    at.fail("a group with a message of a later version of HDF5 that must be understood", "messages up to type 24");
  }
  if (parts.type && parts.space) parts.object.dataset = combine(source, at, parts);
  parts.object.is_type = parts.type && !parts.space;
  // A header with links and without their description is a group of no members but these.
  parts.object.is_group = (parts.object.is_group || parts.object.has_links) && !parts.object.dataset;
  return std::move(parts.object);
}

}  // namespace weighbridge::hdf5
