#include "reports/what_if.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "reports/forecast.h"
#include "reports/printable.h"
#include "reports/summary.h"
#include "reports/units.h"

namespace weighbridge::reports {
namespace {

constexpr const char* kNative = "native";

Bytes scaled(Bytes bytes, Bytes by, Bytes of) {  // bytes * by / of, which may pass 64 bits on the way
  if (of == 0) return 0;
  return static_cast<Bytes>(static_cast<long double>(bytes) * static_cast<long double>(by) /
                            static_cast<long double>(of));
}

class Finder {
 public:
  Finder(const Record& record, const std::vector<Cell>& others, const Cell& usual)
      : record_(record), usual_(usual), asks_(limit_to_ask_for(*usual.predicted)) {
    for (const std::vector<Cell>* cells : {&record.cells, &others}) {
      for (const Cell& cell : *cells) {
        if (!cell.predicted) continue;
        ways_.push_back(&cell);
        Bytes& most = all_weights_[cell.dtype];
        most = std::max(most, cell.predicted->most_weights_bytes);
        Asked& asked = asked_[strategy_name(cell)];
        asked.bytes += static_cast<double>(limit_to_ask_for(*cell.predicted));
        asked.disk += cell.predicted->disk_bytes;
        ++asked.dtypes;
        if (std::find(dtypes_.begin(), dtypes_.end(), cell.dtype) == dtypes_.end()) dtypes_.push_back(cell.dtype);
      }
    }
  }

  std::vector<WhatIf> find() {
    for (const std::string& dtype : dtypes_) {
      const Cell* way = lightest([&](const Cell& cell) { return cell.dtype == dtype && holds_all(cell); });
      if (dtype == usual_.dtype) {
        add_way("strategy", way, fmt::format("load as {} does", way == nullptr ? "" : strategy_name(*way)));
      } else if (way != nullptr) {
        const std::string to = dtype == kNative ? "keep the dtype that is stored" : "load as " + dtype;
        add_way("dtype", way, fmt::format("{}, as {} does", to, strategy_name(*way)));
      }
    }
    const Cell* mapped = lightest([&](const Cell& cell) {
      return cell.dtype == kNative && !holds_all(cell) && cell.predicted->reclaimable_bytes > 0;
    });
    if (mapped != nullptr) add_way("mapping", mapped, fmt::format("map the file, as {} does", strategy_name(*mapped)));
    add_layer_wise();
    add_without_optimizer();
    add_untied();
    add({"sparse-zeros", "", "", "store pruned zeros sparsely", word_of(Outcome::unknown), {}, {}, {}},
        "what that saves is known once the values are read: weighbridge inspect MODEL --values");
    std::stable_sort(found_.begin(), found_.end(), [](const WhatIf& a, const WhatIf& b) {
      return a.saves_bytes.value_or(0) > b.saves_bytes.value_or(0);
    });
    return std::move(found_);
  }

 private:
  struct Asked {  // by a strategy, over its dtypes
    double bytes = 0;
    size_t dtypes = 0;
    Bytes disk = 0;
    double mean() const { return bytes / static_cast<double>(dtypes); }
  };

  bool holds_all(const Cell& cell) const {
    return cell.predicted->most_weights_bytes == all_weights_.find(cell.dtype)->second;
  }

  // Of equals the strategy that leaves less on the disk, then the one that asks for less in the mean, over its dtypes:
  // mmap before cached-mmap, and eager before convert-after, which are one while nothing is converted.
  bool lighter(const Cell& a, const Cell& b) const {
    const Bytes of_a = limit_to_ask_for(*a.predicted), of_b = limit_to_ask_for(*b.predicted);
    if (of_a != of_b) return of_a < of_b;
    const Asked &by_a = asked_.find(strategy_name(a))->second, &by_b = asked_.find(strategy_name(b))->second;
    return by_a.disk != by_b.disk ? by_a.disk < by_b.disk : by_a.mean() < by_b.mean();
  }

  template <typename Is>
  const Cell* lightest(const Is& is) const {
    const Cell* least = nullptr;
    for (const Cell* way : ways_) {
      if (way == &usual_ || !is(*way)) continue;
      if (least == nullptr || lighter(*way, *least)) least = way;
    }
    return least;
  }

  void add(WhatIf one, const std::string& unknown) {
    one.instead = cell_name(usual_);
    if (one.limit_bytes && *one.limit_bytes < asks_) one.saves_bytes = asks_ - *one.limit_bytes;
    if (!one.limit_bytes) one.unavailable["limit_bytes"] = unknown;
    if (!one.saves_bytes) one.unavailable["saves_bytes"] = one.limit_bytes ? "it saves nothing" : unknown;
    found_.push_back(std::move(one));
  }

  void add_way(const char* id, const Cell* way, const std::string& change) {
    if (way == nullptr || limit_to_ask_for(*way->predicted) >= asks_) return;
    add({id,
         "",
         cell_name(*way),
         change,
         word_of(forecast(record_, *way).outcome),
         limit_to_ask_for(*way->predicted),
         {},
         {}},
        "");
  }

  // The usual way with other bytes of weights and staging.
  void add_changed(const char* id, const std::string& change, Bytes less, Bytes more) {
    Cell changed = usual_;
    Prediction& predicted = *changed.predicted;
    predicted.need_bytes += more;
    predicted.need_bytes -= std::min(less, predicted.need_bytes);
    add({id, "", "", change, word_of(forecast(record_, changed).outcome), limit_to_ask_for(predicted), {}, {}}, "");
  }

  void add_layer_wise() {
    const auto in_parts = [&](const Cell& cell) {
      return cell.dtype == kNative && cell.predicted->reclaimable_bytes == 0 &&
             cell.predicted->most_weights_bytes < all_weights_.find(cell.dtype)->second;
    };
    if (const Cell* way = lightest(in_parts)) {
      add_way("layer-wise", way, fmt::format("load layer by layer, as {} does", strategy_name(*way)));
      return;
    }
    const Checkpoint& checkpoint = record_.checkpoint;
    const Prediction& predicted = *usual_.predicted;
    const Bytes held = predicted.weights_bytes + predicted.staging_bytes;
    if (checkpoint.largest_layer_bytes == 0 || checkpoint.largest_layer_bytes >= held) return;
    add_changed("layer-wise",
                fmt::format("load one layer at a time, as LazyModelLoader does: the largest is {}",
                            printable(checkpoint.largest_layer)),
                held - checkpoint.largest_layer_bytes, 0);
  }

  // Of what is held at the peak, as large a share as of what is stored.
  Bytes share(Bytes stored) const {
    const Prediction& predicted = *usual_.predicted;
    return scaled(predicted.weights_bytes + predicted.staging_bytes, stored, record_.checkpoint.bytes);
  }

  void add_without_optimizer() {
    Bytes bytes = 0;
    for (const Remark& remark : record_.checkpoint.remarks) {
      if (remark.id == kOptimizerState) bytes += remark.bytes;
    }
    bytes = std::min(bytes, record_.checkpoint.bytes);
    if (bytes == 0) return;
    add_changed("optimizer-state",
                fmt::format("leave out the optimizer state, {} of the {} stored", human(bytes),
                            human(record_.checkpoint.bytes)),
                share(bytes), 0);
  }

  void add_untied() {
    if (record_.checkpoint.tied_bytes == 0) return;
    add_changed("untied",
                fmt::format("{} of tensors are tied to others and loaded once; where a framework unties them",
                            human(record_.checkpoint.tied_bytes)),
                0, share(record_.checkpoint.tied_bytes));
  }

  const Record& record_;
  const Cell& usual_;
  const Bytes asks_;  // the limit that the usual way fits in
  std::vector<const Cell*> ways_;
  std::vector<std::string> dtypes_;           // in the order of the ways
  std::map<std::string, Bytes> all_weights_;  // of a dtype: what a way that holds all of them holds
  std::map<std::string, Asked> asked_;
  std::vector<WhatIf> found_;
};

}  // namespace

const Cell* usual_way(const Record& record) {
  const auto first = std::find_if(record.cells.begin(), record.cells.end(),
                                  [](const Cell& cell) { return cell.predicted.has_value(); });
  return first == record.cells.end() ? nullptr : &*first;
}

std::vector<WhatIf> what_if(const Record& record, const std::vector<Cell>& others) {
  const Cell* usual = usual_way(record);
  if (usual == nullptr) return {};
  return Finder(record, others, *usual).find();
}

}  // namespace weighbridge::reports
