// direct: past the page cache, several reads in flight.
//
// Mechanism: the files are read in order with O_DIRECT, in requests of a chunk, `depth` of them at a time, by io_uring
// or, where that is refused, by threads. The device puts a large native tensor's blocks straight into its buffer: the
// tensor then begins as far into the buffer as it begins into a block of its file. What is converted, and small
// tensors, pass through a bounded staging ring, read ahead over tensors' borders: one read serves a run of small
// neighbours, and a chunk is converted while the next ones arrive. What a loader does that must not disturb the page
// cache (DeepSpeed's async I/O, fastsafetensors, GPUDirect's kin).
// Need: T + (depth + 1) chunks, less where the whole checkpoint is smaller; a buffer that is read into grows by less
// than two blocks. Nothing is reclaimable, and a second load reads the device again. An encoded tensor is read as eager
// does, through the page cache.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "strategies/builtin.h"
#include "strategies/direct_runs.h"
#include "strategies/error.h"
#include "strategies/tensor_steps.h"

namespace weighbridge {
namespace {

constexpr uint32_t kMostDepth = 256;
constexpr std::array<std::pair<std::string_view, EngineChoice>, 3> kEngines{
    {{"auto", EngineChoice::any}, {"io_uring", EngineChoice::io_uring}, {"threads", EngineChoice::threads}}};

// The staging buffer as a ring: runs are taken and given back in the same order, each in one piece.
class Ring {
 public:
  explicit Ring(uint64_t bytes) : bytes_(bytes) {}

  // Where the next run goes; nullopt while there is no room. `bytes` is not 0.
  std::optional<uint64_t> take(uint64_t bytes) {
    if (taken_.empty()) end_ = 0;
    const uint64_t begin = taken_.empty() ? bytes_ : taken_.front();
    if (end_ > begin || taken_.empty()) {  // what is taken lies in the middle: room behind it, or before it
      if (bytes <= bytes_ - end_) return place(end_, bytes);
      if (!taken_.empty() && bytes <= begin) return place(0, bytes);
    } else if (bytes <= begin - end_) {  // it lies around the end: room in the middle
      return place(end_, bytes);
    }
    return std::nullopt;
  }
  void give_back() { taken_.pop_front(); }  // the oldest

 private:
  uint64_t place(uint64_t at, uint64_t bytes) {
    taken_.push_back(at);
    end_ = at + bytes;
    return at;
  }

  uint64_t bytes_;
  uint64_t end_ = 0;  // of the newest
  std::deque<uint64_t> taken_;
};

class Direct : public Strategy {
 public:
  std::string_view name() const override { return "direct"; }
  std::string_view mechanism() const override {
    return "past the page cache with O_DIRECT, several reads in flight, converted on the way";
  }
  std::string_view cost() const override { return "T + (depth + 1) x C"; }
  std::span<const OptionInfo> options() const override {
    static constexpr OptionInfo list[] = {{"chunk", "1MiB", "bytes of one read, in whole pages"},
                                          {"depth", "8", "reads in flight at a time, 1 to 256"},
                                          {"engine", "auto", "io_uring, threads, or auto: what the kernel allows"}};
    return list;
  }
  void check(const Options& options) const override { settings(options); }

  void plan(const Request& request, Steps& steps) const override {
    const auto& tensors = request.checkpoint.tensors;
    QueueSettings queue = settings(request.options);
    const DirectRuns runs(request, queue.request_bytes);
    queue.request_bytes = runs.chunk_bytes();

    std::vector<Spot> at(tensors.size());
    for (uint32_t tensor = 0; tensor < tensors.size(); ++tensor) {
      if (holder(request, tensor) != tensor) continue;
      if (!tensors[tensor].plain()) {
        steps.fall_back(tensor);
        at[tensor] = {load_tensor(request, steps, tensor)};
      } else if (request.layouts[tensor].stored_bytes == 0) {
        at[tensor] = {steps.allocate(Purpose::weights, 0)};
      }
    }
    if (runs.next({})) read(request, runs, queue, steps, at);
    for (uint32_t tensor = 0; tensor < tensors.size(); ++tensor) at[tensor] = at[holder(request, tensor)];
    use_and_release(request, steps, at);
  }

 private:
  struct Started {
    DirectRuns::Run run;
    Spot to;
    uint64_t requests;
  };

  static void read(const Request& request, const DirectRuns& runs, const QueueSettings& queue, Steps& steps,
                   std::vector<Spot>& at) {
    const uint64_t staging_bytes = runs.staging_bytes(queue.depth + 1);
    const Place staging = steps.allocate(Purpose::staging, staging_bytes);
    Ring ring(staging_bytes);
    std::deque<Started> started;
    uint64_t ahead = 0;  // requests of what was started, without the oldest: they keep the device busy at its end
    steps.open_queue(queue);
    for (auto next = runs.next({}); next || !started.empty();) {
      while (next && ahead <= queue.depth) {
        Spot to{staging};
        if (next->staged) {
          const auto room = ring.take(next->buffer_bytes);
          if (!room) break;
          to.offset = *room;
        } else {
          to = {steps.allocate(Purpose::weights, next->buffer_bytes)};
          at[next->from.tensor] = {to.place,
                                   request.checkpoint.tensors[next->from.tensor].extent.offset - next->extent.offset};
        }
        steps.start_read(next->extent, to);
        const uint64_t requests = (next->extent.bytes + queue.request_bytes - 1) / queue.request_bytes;
        if (!started.empty()) ahead += requests;
        started.push_back({*next, to, requests});
        next = runs.next(next->to);
      }
      steps.finish_read();
      const Started& oldest = started.front();
      if (oldest.run.staged) {
        runs.each_piece(oldest.run, [&](uint32_t tensor, uint64_t begin, uint64_t bytes, uint64_t offset) {
          if (begin == 0) at[tensor] = {steps.allocate(Purpose::weights, request.layouts[tensor].loaded_bytes)};
          steps.deliver(tensor, begin, bytes, {staging, oldest.to.offset + offset}, at[tensor]);
        });
        ring.give_back();
      }
      started.pop_front();
      if (!started.empty()) ahead -= started.front().requests;
    }
    steps.close_queue();
    steps.free(staging);
  }

  static QueueSettings settings(const Options& options) {
    QueueSettings settings;
    settings.request_bytes = page_rounded(parse_bytes(options.find("chunk")->second, "direct:chunk"));
    const std::string& depth = options.find("depth")->second;
    const auto [end, failed] = std::from_chars(depth.data(), depth.data() + depth.size(), settings.depth);
    if (failed != std::errc() || end != depth.data() + depth.size() || settings.depth < 1 ||
        settings.depth > kMostDepth) {
      throw Error(ErrorKind::usage,
                  fmt::format("direct:depth: '{}' is not a number from 1 to {}", printable(depth), kMostDepth));
    }
    const std::string& engine = options.find("engine")->second;
    for (const auto& [word, choice] : kEngines) {
      if (word != engine) continue;
      settings.engine = choice;
      return settings;
    }
    throw Error(ErrorKind::usage,
                fmt::format("direct:engine: '{}' is none of auto, io_uring, threads", printable(engine)));
  }
};

}  // namespace

const Strategy* direct() {
  static const Direct strategy;
  return &strategy;
}

}  // namespace weighbridge
