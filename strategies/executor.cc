#include "strategies/executor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "strategies/dtype/convert.h"
#include "strategies/error.h"
#include "strategies/hash.h"

namespace weighbridge {
Executor::Executor(const Request& request, Memory& memory, Observer& observer)
    : request_(request), memory_(memory), observer_(observer), reader_(request.checkpoint) {}

Executor::~Executor() {
  queue_.reset();  // while there is what it reads into
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

void Executor::advise(Place mapping, Advice advice) {
  const Held& held = held_.at(mapping.id);
  if (held.address != nullptr) memory_.advise(held.address, held.bytes, advice);
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

void Executor::open_queue(const QueueSettings& settings) {
  queue_.emplace(request_.checkpoint, settings,
                 ReadQueue::Listener{[this](const Remark& remark) { observer_.remark(remark); },
                                     [this](uint64_t bytes) { observer_.read(bytes); }});
}

void Executor::start_read(const Extent& extent, Spot to) {
  queue_.value().start(extent, address(to));
}

void Executor::finish_read() {
  queue_.value().finish();
}

void Executor::close_queue() {
  queue_.reset();
}

void Executor::deliver(uint32_t tensor, uint64_t begin, uint64_t bytes, Spot from, Spot tensor_at) {
  if (bytes == 0) return;
  const Layout& layout = request_.layouts.at(tensor);
  const std::byte* source = address(from);
  std::byte* target = address(tensor_at);
  if (layout.converted()) {
    const Block unit = block(layout.stored);
    convert(layout, begin / unit.bytes * unit.elements, bytes / unit.bytes * unit.elements, source, target);
  } else {
    std::memcpy(target + begin, source, bytes);
  }
  if (from.place.kind == Place::Kind::mapping) observer_.read(bytes);
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
