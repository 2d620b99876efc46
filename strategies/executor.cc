#include "strategies/executor.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <functional>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "strategies/dtype/convert.h"
#include "strategies/error.h"
#include "strategies/hash.h"

namespace weighbridge {
namespace {

thread_local unsigned this_thread = 0;  // of `each`; 0 is who runs the plan

}  // namespace

Executor::Executor(const Request& request, Memory& memory, Observer& observer)
    : request_(request), memory_(memory), observer_(observer) {}

Executor::~Executor() {
  queue_.reset();  // while there is what it reads into
  for (const Held& held : held_) give_back(held);
}

void Executor::enter(Phase phase) {
  observer_.entering(phase);
}

Place Executor::hold(Held held) {
  const auto kind = held.mapping ? Place::Kind::mapping : Place::Kind::buffer;
  const std::lock_guard lock(mutex_);
  if (vacant_.empty()) {
    held_.push_back(held);
    return {kind, static_cast<uint32_t>(held_.size() - 1)};
  }
  const uint32_t id = vacant_.back();
  vacant_.pop_back();
  held_[id] = held;
  return {kind, id};
}

void Executor::give_back(const Held& held) {
  if (held.address == nullptr) return;
  if (held.mapping) {
    memory_.unmap(held.address, held.bytes);
  } else {
    memory_.release(held.purpose, held.address, held.bytes);
  }
}

Executor::Held Executor::held(Place place) const {
  const std::lock_guard lock(mutex_);
  return held_.at(place.id);
}

std::byte* Executor::address(Spot spot) const {
  const std::lock_guard lock(mutex_);
  return held_.at(spot.place.id).address + spot.offset;
}

TensorReader& Executor::reader() {
  const std::lock_guard lock(mutex_);
  if (readers_.size() <= this_thread) readers_.resize(this_thread + 1);
  auto& reader = readers_[this_thread];
  if (!reader) reader = std::make_unique<TensorReader>(request_.checkpoint);
  return *reader;
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
  const Held held = [&] {
    const std::lock_guard lock(mutex_);
    return std::exchange(held_.at(buffer.id), {});
  }();
  give_back(held);
  const std::lock_guard lock(mutex_);
  vacant_.push_back(buffer.id);
}

Place Executor::map(uint32_t index) {
  const File& source = reader().file(index);
  const std::byte* address = source.bytes() == 0 ? nullptr : memory_.map(source.descriptor(), source.bytes());
  return hold({const_cast<std::byte*>(address), source.bytes(), Purpose::weights, true});
}

void Executor::unmap(Place mapping) {
  free(mapping);
}

void Executor::advise(Place mapping, Advice advice) {
  const Held mapped = held(mapping);
  if (mapped.address != nullptr) memory_.advise(mapped.address, mapped.bytes, advice);
}

void Executor::drop(Place mapping, const Extent& extent) {
  if (const auto making = held(mapping).making; making != nullptr) {
    // Only begins to write: the sync at the end waits, and where it has nothing left to wait for, all the better.
    sync_file_range(making->descriptor(), static_cast<off_t>(extent.offset), static_cast<off_t>(extent.bytes),
                    SYNC_FILE_RANGE_WRITE);
  }
  memory_.drop(address({mapping, extent.offset}), extent.bytes);
}

std::optional<Place> Executor::find_file(const Sidecar& sidecar) {
  const Sidecar::Told told = [this](uint64_t bytes) { observer_.read(bytes); };
  const auto file = sidecar.find(&told);
  if (!file) return std::nullopt;
  return hold(
      {const_cast<std::byte*>(memory_.map(file->descriptor(), file->bytes())), file->bytes(), Purpose::weights, true});
}

Place Executor::make_file(const Sidecar& sidecar) {
  auto making = std::make_shared<Sidecar::Making>(sidecar.begin([this](uint64_t bytes) { observer_.read(bytes); }));
  std::byte* address = memory_.map_writable(making->descriptor(), sidecar.bytes());
  return hold({address, sidecar.bytes(), Purpose::weights, true, std::move(making)});
}

Place Executor::keep_file(const Sidecar& sidecar, Place made) {
  const auto making = held(made).making;
  unmap(made);
  sidecar.finish(*making, [this](uint64_t bytes) { observer_.read(bytes); });
  const File file(sidecar.path());
  return hold(
      {const_cast<std::byte*>(memory_.map(file.descriptor(), file.bytes())), file.bytes(), Purpose::weights, true});
}

void Executor::read_file(const Extent& extent, Spot to) {
  const File& source = reader().file(extent.file);
  std::byte* target = address(to);
  in_pieces(extent.bytes,
            [&](uint64_t done, uint64_t bytes) { source.read(extent.offset + done, target + done, bytes); });
}

void Executor::read(uint32_t tensor, uint64_t begin, uint64_t bytes, Spot to) {
  TensorReader& from = reader();
  std::byte* target = address(to);
  in_pieces(bytes, [&](uint64_t done, uint64_t piece) { from.read(tensor, begin + done, target + done, piece); });
}

void Executor::place(const Layout& layout, uint64_t begin, uint64_t bytes, const std::byte* from, std::byte* tensor) {
  if (layout.converted()) {
    const Block unit = block(layout.stored);
    convert(layout, begin / unit.bytes * unit.elements, bytes / unit.bytes * unit.elements, from, tensor);
  } else {
    std::memcpy(tensor + begin, from, bytes);
  }
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
  place(request_.layouts.at(tensor), begin, bytes, address(from), address(tensor_at));
  if (from.place.kind == Place::Kind::mapping) observer_.read(bytes);
}

// Piece by piece, each converted while it is in the cache, by two threads. The slower half of a load (for f32 to f16 it
// is the conversion's faults in fresh memory) would else wait for the other: GPT-2 by `stream` from the page cache goes
// as fast as its slower half alone, at 0.73 of that on one processor (scripts/bench).
void Executor::read_and_deliver(uint32_t index, uint64_t begin, uint64_t bytes, Spot staging, Spot tensor_at) {
  constexpr uint64_t kPieceBytes = 256u << 10;  // with what becomes of it, a part of an L2 cache
  const Tensor& tensor = request_.checkpoint.tensors.at(index);
  if (!tensor.plain()) return Steps::read_and_deliver(index, begin, bytes, staging, tensor_at);
  const Layout& layout = request_.layouts.at(index);
  const uint64_t unit = layout.converted() ? layout.unit_bytes() : 1;
  const uint64_t piece_bytes = std::max(kPieceBytes / unit, uint64_t{1}) * unit;
  const File& source = reader().file(tensor.extent.file);
  std::byte* const buffer = address(staging);
  std::byte* const target = address(tensor_at);
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
  const uint64_t bytes = request_.layouts.at(tensor).loaded_bytes;
  use_foreign(tensor, bytes == 0 ? nullptr : address(at));
  if (at.place.kind == Place::Kind::mapping) observer_.read(bytes);
}

void Executor::use_foreign(uint32_t tensor, const std::byte* at) {
  const Layout& layout = request_.layouts.at(tensor);
  observer_.used(tensor, tensor_hash(request_.checkpoint.tensors.at(tensor).name, layout, at));
}

void Executor::each(uint32_t count, unsigned threads, uint64_t scratch_bytes,
                    const std::function<void(uint32_t, Place)>& work) {
  std::atomic<uint32_t> next{0};
  const auto run_items = [&] {
    std::optional<Place> scratch;
    for (uint32_t item; (item = next.fetch_add(1, std::memory_order_relaxed)) < count;) {
      if (!scratch && scratch_bytes > 0) scratch = allocate(Purpose::staging, scratch_bytes);
      work(item, scratch.value_or(Place{}));
    }
    return scratch;
  };
  threads = std::min(threads, std::max(count, 1U));
  if (threads <= 1) {
    if (const auto scratch = run_items()) free(*scratch);
    return;
  }

  std::exception_ptr failure;
  std::vector<Place> scratches;
  const auto run_thread = [&](unsigned thread) {
    this_thread = thread;
    try {
      const auto scratch = run_items();
      const std::lock_guard lock(mutex_);
      if (scratch) scratches.push_back(*scratch);
    } catch (...) {
      next = count;
      const std::lock_guard lock(mutex_);
      if (!failure) failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    try {
      for (unsigned thread = 1; thread < threads; ++thread) others.emplace_back(run_thread, thread);
    } catch (const std::system_error& error) {
      next = count;
      const std::lock_guard lock(mutex_);
      if (!failure) {
        failure = std::make_exception_ptr(
            Error(ErrorKind::refused, fmt::format("starting thread {} of {} was refused ({})", others.size() + 2,
                                                  threads, error.code().message())));
      }
    }
    run_thread(0);
  }
  for (const Place scratch : scratches) free(scratch);
  // A reader holds a file open, and each loading thread had one.
  if (readers_.size() > 1) readers_.resize(1);
  if (failure) std::rethrow_exception(failure);
}

void Executor::opaque(const std::function<void(Memory&)>& work) {
  work(memory_);
}

}  // namespace weighbridge
