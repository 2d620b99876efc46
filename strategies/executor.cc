#include "strategies/executor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "strategies/dtype/convert.h"
#include "strategies/error.h"
#include "strategies/hash.h"

namespace weighbridge {
namespace {

// Large enough that a system call costs nothing beside the copy, small enough that progress moves.
constexpr uint64_t kReadBytes = 8u << 20;

}  // namespace

Executor::Executor(const Request& request, Memory& memory, Observer& observer)
    : request_(request), memory_(memory), observer_(observer) {}

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

std::byte* Executor::address(Spot spot) {
  return held_.at(spot.place.id).address + spot.offset;
}

const File& Executor::file(uint32_t index) {
  if (!file_ || file_index_ != index) {
    const CheckpointFile& wanted = request_.checkpoint.files.at(index);
    file_.emplace(wanted.path);
    file_index_ = index;
    if (file_->bytes() != wanted.bytes) {
      throw format_error(wanted.path, 0, fmt::format("a file of {} bytes", file_->bytes()),
                         fmt::format("{} bytes, as when it was opened first", wanted.bytes));
    }
  }
  return *file_;
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
  const File& source = file(index);
  const std::byte* address = source.bytes() == 0 ? nullptr : memory_.map(source.descriptor(), source.bytes());
  return hold({const_cast<std::byte*>(address), source.bytes(), Purpose::weights, true});
}

void Executor::unmap(Place mapping) {
  free(mapping);
}

void Executor::drop(Place mapping, const Extent& extent) {
  memory_.drop(address({mapping, extent.offset}), extent.bytes);
}

void Executor::read(const Extent& extent, Spot to) {
  const File& source = file(extent.file);
  for (uint64_t done = 0; done < extent.bytes;) {
    const uint64_t bytes = std::min(kReadBytes, extent.bytes - done);
    source.read(extent.offset + done, address(to) + done, bytes);
    done += bytes;
    observer_.read(bytes);
  }
}

void Executor::deliver(uint32_t tensor, uint64_t begin, uint64_t bytes, Spot from, Place tensor_buffer) {
  if (bytes == 0) return;
  const Layout& layout = request_.layouts.at(tensor);
  const std::byte* source = address(from);
  std::byte* target = address({tensor_buffer, 0});
  if (layout.converted()) {
    const uint64_t element_bytes = bits(layout.stored) / 8;  // what can be converted is never packed
    convert(layout, begin / element_bytes, bytes / element_bytes, source, target);
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
