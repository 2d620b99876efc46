#include "strategies/executor.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <thread>

#include "strategies/dtype/convert.h"
#include "strategies/error.h"
#include "strategies/hash.h"

namespace weighbridge {
Executor::Executor(const Request& request, Memory& memory, Observer& observer)
    : request_(request), memory_(memory), observer_(observer), reader_(request.checkpoint) {}

Executor::~Executor() {
  for (Held& held : held_) give_back(held);
}

void Executor::enter(Phase phase) {
  observer_.entering(phase);
}

Place Executor::hold(Held held) {
  const auto kind = held.mapping ? Place::Kind::mapping : Place::Kind::buffer;
  if (vacant_.empty()) {
    held_.push_back(held);
    return {kind, static_cast<uint32_t>(held_.size() - 1)};
  }
  const uint32_t id = vacant_.back();
  vacant_.pop_back();
  held_[id] = held;
  return {kind, id};
}

void Executor::give_back(Held& held) {
  if (held.address == nullptr) return;
  if (held.mapping) {
    memory_.unmap(held.address, held.bytes);
  } else {
    memory_.release(held.purpose, held.address, held.bytes);
  }
  held.address = nullptr;
}

std::byte* Executor::address(Spot spot) const {
  return held_.at(spot.place.id).address + spot.offset;
}

// Large enough that a system call costs nothing beside the copy, small enough that progress moves.
template <class Read>
void Executor::in_pieces(uint64_t bytes, const Read& read) {
  constexpr uint64_t kPieceBytes = 8u << 20;
  for (uint64_t done = 0; done < bytes;) {
    const uint64_t piece = std::min(kPieceBytes, bytes - done);
    read(done, piece);
    done += piece;
    observer_.read(piece);
  }
}

Place Executor::allocate(Purpose purpose, uint64_t bytes) {
  void* address = bytes == 0 ? nullptr : memory_.allocate(purpose, bytes);
  return hold({static_cast<std::byte*>(address), bytes, purpose, false});
}

void Executor::free(Place buffer) {
  give_back(held_.at(buffer.id));
  vacant_.push_back(buffer.id);
}

Place Executor::map(uint32_t index) {
  const File& source = reader_.file(index);
  const std::byte* address = source.bytes() == 0 ? nullptr : memory_.map(source.descriptor(), source.bytes());
  return hold({const_cast<std::byte*>(address), source.bytes(), Purpose::weights, true});
}

void Executor::unmap(Place mapping) {
  free(mapping);
}

void Executor::drop(Place mapping, const Extent& extent) {
  memory_.drop(address({mapping, extent.offset}), extent.bytes);
}

void Executor::read_file(const Extent& extent, Spot to) {
  const File& source = reader_.file(extent.file);
  in_pieces(extent.bytes,
            [&](uint64_t done, uint64_t bytes) { source.read(extent.offset + done, address(to) + done, bytes); });
}

void Executor::read(uint32_t tensor, uint64_t begin, uint64_t bytes, Spot to) {
  in_pieces(bytes,
            [&](uint64_t done, uint64_t piece) { reader_.read(tensor, begin + done, address(to) + done, piece); });
}

void Executor::place(const Layout& layout, uint64_t begin, uint64_t bytes, const std::byte* from, std::byte* tensor) {
  if (layout.converted()) {
    const Block unit = block(layout.stored);
    convert(layout, begin / unit.bytes * unit.elements, bytes / unit.bytes * unit.elements, from, tensor);
  } else {
    std::memcpy(tensor + begin, from, bytes);
  }
}

void Executor::deliver(uint32_t tensor, uint64_t begin, uint64_t bytes, Spot from, Place tensor_buffer) {
  if (bytes == 0) return;
  place(request_.layouts.at(tensor), begin, bytes, address(from), address({tensor_buffer, 0}));
  if (from.place.kind == Place::Kind::mapping) observer_.read(bytes);
}

// Piece by piece, each converted while it is in the cache, by two threads. The slower half of a load (for f32 to f16 it
// is the conversion's faults in fresh memory) would else wait for the other: GPT-2 by `stream` from the page cache goes
// as fast as its slower half alone, at 0.73 of that on one processor (scripts/bench).
void Executor::read_and_deliver(uint32_t index, uint64_t begin, uint64_t bytes, Spot staging, Place tensor_buffer) {
  constexpr uint64_t kPieceBytes = 256u << 10;  // with what becomes of it, a part of an L2 cache
  const Tensor& tensor = request_.checkpoint.tensors.at(index);
  if (!tensor.plain()) return Steps::read_and_deliver(index, begin, bytes, staging, tensor_buffer);
  const Layout& layout = request_.layouts.at(index);
  const uint64_t unit = layout.converted() ? layout.unit_bytes() : 1;
  const uint64_t piece_bytes = std::max(kPieceBytes / unit, uint64_t{1}) * unit;
  const File& source = reader_.file(tensor.extent.file);
  std::byte* const buffer = address(staging);
  std::byte* const target = address({tensor_buffer, 0});
  std::atomic<uint64_t> unheard{0};  // read, and not yet told to the observer
  const auto caller = std::this_thread::get_id();
  helper_.share((bytes + piece_bytes - 1) / piece_bytes, [&](uint64_t piece) {
    const uint64_t done = piece * piece_bytes, size = std::min(piece_bytes, bytes - done);
    source.read(tensor.extent.offset + begin + done, buffer + done, size);
    place(layout, begin + done, size, buffer + done, target);
    unheard += size;
    if (std::this_thread::get_id() == caller) observer_.read(unheard.exchange(0));
  });
  if (unheard > 0) observer_.read(unheard);
}

void Executor::use(uint32_t tensor, Spot at) {
  const Layout& layout = request_.layouts.at(tensor);
  const std::byte* bytes = layout.loaded_bytes == 0 ? nullptr : address(at);
  observer_.used(tensor, tensor_hash(request_.checkpoint.tensors.at(tensor).name, layout, bytes));
  if (at.place.kind == Place::Kind::mapping) observer_.read(layout.loaded_bytes);
}

void Executor::opaque(const std::function<void(Memory&)>& work) {
  work(memory_);
}

}  // namespace weighbridge
