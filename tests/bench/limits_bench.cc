// The limits of this machine by themselves: what the rows of strategies and kernels are held against, and what one step
// of them costs alone.
#include <fmt/format.h>

#include "reports/units.h"
#include "tests/bench/by_hand.h"
#include "tests/bench/cases.h"
#include "tests/bench/direct_reads.h"
#include "tests/bench/rows.h"

namespace weighbridge::bench {
namespace {

void add_limit(const std::string& name, Work work) {
  Row row;
  row.name = "limit/" + name;
  row.group = "Limits of this machine";
  row.work = std::move(work);
  row.reads_file = true;
  row.prepare = [](Row& self) { self.bytes = Ground::get().tensor_bytes(); };
  add_row(std::move(row));
}

}  // namespace

void add_limit_rows() {
  constexpr uint64_t kKiB = 1024, kMiB = 1024 * kKiB;
  for (const uint64_t piece : {256 * kKiB, kMiB, 8 * kMiB, 64 * kMiB}) {
    add_limit(fmt::format("read/reused/{}", reports::exact_bytes(piece)), [=] { return read_into_reused(piece); });
    add_limit(fmt::format("read/fresh/{}", reports::exact_bytes(piece)),
              [=] { return read_into_fresh(piece, Use::none); });
  }
  add_limit("map/touch", [] { return map_and(Touch::pages); });
  add_limit("map/sum", [] { return map_and(Touch::sum); });
  add_limit("map/hash", [] { return map_and(Touch::hash); });
  std::string left_out;
  for (const DirectQueue& queue : direct_queues(left_out)) {
    add_limit(fmt::format("o_direct/{}/{}x{}", queue.engine == DirectQueue::Engine::uring ? "uring" : "threads",
                          queue.depth, reports::exact_bytes(queue.block_bytes)),
              [=] { return read_direct(queue); });
  }
}

}  // namespace weighbridge::bench
