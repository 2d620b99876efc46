// What an object header says of a dataset: how its elements look, how many there are, and how they are laid down.
// Format specification 3.0, IV.A.2. Nothing here reads elements.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "strategies/checkpoint/hdf5/datatype.h"
#include "strategies/checkpoint/hdf5/source.h"

namespace weighbridge::hdf5 {

constexpr size_t kMaximumRank = 32;  // H5S_MAX_RANK

struct Filter {
  uint16_t id = 0;
  std::vector<uint32_t> parameters;
};

// How the chunks of a dataset are found.
enum class ChunkIndexType : uint8_t { btree1, single, implicit, fixed_array, extensible_array, btree2 };

struct Chunking {
  ChunkIndexType index = ChunkIndexType::btree1;
  std::optional<uint64_t> address;  // nullopt: nothing was written
  std::vector<uint64_t> shape;      // of a chunk, in elements
  std::vector<Filter> filters;      // in the order of writing
  bool unfiltered_edges = false;    // chunks that the shape cuts are stored as they are
  // A single chunk's:
  uint64_t single_bytes = 0;
  uint32_t single_mask = 0;

  uint64_t chunk_elements() const;
};

enum class Layout : uint8_t { compact, contiguous, chunked };

struct Dataset {
  ElementType type;
  std::vector<uint64_t> shape;
  std::vector<uint64_t> most;  // the shape it may grow to; UINT64_MAX: without end
  Layout layout = Layout::contiguous;
  std::optional<uint64_t> data_offset;  // compact, contiguous: in the file; nullopt: nothing was written
  Chunking chunking;                    // chunked
  std::vector<unsigned char> fill;      // one element as stored; empty: zeros

  uint64_t bytes() const { return *packed_bytes(type.dtype, *element_count(shape)); }
};

// A dataset, or why it cannot be one for us.
struct DatasetOrNot {
  std::optional<Dataset> dataset;
  // Otherwise: what it holds that is no plain number, or keeps where it cannot be read: "strings", "a filter (32001)".
  std::string other;
};

// What an object is: it is found out in one pass over its header.
struct Object {
  std::optional<DatasetOrNot> dataset;  // it is one
  bool is_group = false;
  bool is_type = false;  // a committed datatype
  // Of a group:
  std::optional<uint64_t> symbol_tree, symbol_heap;  // old groups
  std::optional<uint64_t> link_heap, link_tree;      // new groups whose links moved to a heap
  bool has_links = false;                            // new groups whose links stand in the header
};

// Throws Error (bad_input) where the header does not hold what it must.
Object read_object(Source& source, uint64_t address);

}  // namespace weighbridge::hdf5
