#include "reports/html/view.h"

#include <algorithm>
#include <set>

#include "reports/phases.h"
#include "reports/units.h"
#include "reports/verdict.h"

namespace weighbridge::reports::html {
namespace {

// A limit far beyond every need would squeeze the bars to nothing; then it is said in words instead.
constexpr Bytes limit_reach = 4;

std::vector<std::string> labels_of(const Record& record) {
  std::set<Figure> limits;
  std::set<std::string> caches;
  for (const Cell& cell : record.cells) {
    limits.insert(cell.limit_bytes);
    caches.insert(cell.cache);
  }
  std::vector<std::string> labels;
  for (const Cell& cell : record.cells) {
    std::string label = cell_name(cell);
    if (limits.size() > 1) label += cell.limit_bytes ? " @ " + exact_bytes(*cell.limit_bytes) : " @ no limit";
    if (caches.size() > 1 && cell.cache != "cold") label += " " + cell.cache;  // "cold" is in the name
    labels.push_back(std::move(label));
  }
  return labels;
}

double percent(Bytes bytes, Bytes scale) {
  return std::min(100.0, static_cast<double>(bytes) / static_cast<double>(scale) * 100);
}

}  // namespace

bool View::of_fit() const {
  return !record.fits.empty() && std::all_of(record.cells.begin(), record.cells.end(), [&](const Cell& cell) {
    return std::any_of(record.fits.begin(), record.fits.end(), [&](const Fit& fit) {
      return fit.strategy == cell.strategy && fit.options == cell.options && fit.dtype == cell.dtype;
    });
  });
}

Outcome outcome(std::string_view word) {
  if (word.empty() || (is_verdict(word) && !was_tried(word))) return Outcome::missing;
  if (does_fit(word)) return Outcome::fits;
  return ended_by_itself(word) ? Outcome::strained : Outcome::fails;
}

bool ended_early(const Cell& cell) {
  return outcome(cell.verdict) == Outcome::fails;
}

Figure expected_need(const Cell& cell) {
  const auto weight = weight_of(cell);
  return weight && was_tried(cell.verdict) ? Figure(weight->bytes) : std::nullopt;
}

View::View(const Record& record_) : record(record_), labels(labels_of(record_)) {
  const Summary summary = summarise(record);
  const auto index_of = [&](const Cell* cell) {
    return cell == nullptr ? std::nullopt : std::optional<size_t>(cell - record.cells.data());
  };
  best = index_of(summary.best);
  lightest = index_of(summary.lightest);
  heaviest = index_of(summary.heaviest);
  Bytes largest = 0, largest_need = 0, largest_limit = 0;
  for (const Cell& cell : record.cells) {
    const Outcome what = outcome(cell.verdict);
    measured += what != Outcome::missing;
    fitting += what == Outcome::fits;
    strained += what == Outcome::strained;
    failing += what == Outcome::fails;
    const Bytes need = expected_need(cell).value_or(0);
    largest_need = std::max(largest_need, need);
    largest = std::max(largest, need + cell.reclaimable_bytes.value_or(0));
    largest_limit = std::max(largest_limit, limit_of(cell).value_or(0));
  }
  const Figure first = record.cells.empty() ? std::nullopt : limit_of(record.cells.front());
  const bool one_limit =
      std::all_of(record.cells.begin(), record.cells.end(), [&](const Cell& cell) { return limit_of(cell) == first; });
  if (one_limit) limit = first;
  scale = std::max<Bytes>(largest, 1);
  if (largest_limit > 0 && largest_limit <= limit_reach * largest_need) {
    limit_on_scale = true;
    scale = std::max(scale, largest_limit + largest_limit / 20);
  }
}

Figure trial_need(const Trial& trial) {
  Figure need;
  for (const Phase& phase : trial.phases) need = std::max(need.value_or(0), phase.need_peak_bytes);
  const Timeline& line = trial.timeline;
  for (size_t i = 0; i < line.size(); ++i) {
    const Bytes kib = Bytes{line.anon_kib[i]} + line.shmem_kib[i] + line.swap_kib[i];
    need = std::max(need.value_or(0), kib * 1024);
  }
  return need;
}

const Trial* median_trial(const Cell& cell) {
  std::vector<const Trial*> trials;
  for (const Trial& trial : cell.trials) {
    if (trial.timeline.size() > 0) trials.push_back(&trial);
  }
  if (trials.empty()) {
    for (const Trial& trial : cell.trials) trials.push_back(&trial);
  }
  if (trials.empty()) return nullptr;
  const auto middle = trials.begin() + static_cast<std::ptrdiff_t>((trials.size() - 1) / 2);
  std::nth_element(trials.begin(), middle, trials.end(), [](const Trial* a, const Trial* b) {
    return std::make_pair(trial_need(*a), a->number) < std::make_pair(trial_need(*b), b->number);
  });
  return *middle;
}

uint64_t trial_wall_ns(const Trial& trial) {
  return sum(trial, &Phase::wall_ns);
}

uint64_t trial_cpu_ns(const Trial& trial) {
  return sum(trial, &Phase::cpu_ns);
}

Markup label(const View& view, size_t index) {
  std::string html = escape(view.labels[index]);
  const size_t slash = html.rfind('/');
  if (slash != std::string::npos) html.insert(slash + 1, "<wbr>");
  return {html};
}

Markup mark(Outcome what) {
  const char* names[] = {"ok", "warn", "no", "none"};
  const char* name = names[static_cast<int>(what)];
  return markup(R"(<svg class="mark {0}" aria-hidden="true"><use href="#m-{0}"/></svg>)", name);
}

Markup verdict_word(std::string_view verdict) {
  const char* names[] = {"ok", "warn", "no", "none"};
  const Outcome what = outcome(verdict);
  return markup(R"(<span class="word {}{}">{}{}</span>)", names[static_cast<int>(what)],
                verdict.empty() || is_verdict(verdict) ? "" : " unknown", mark(what),
                verdict.empty() ? std::string_view("not run") : verdict);
}

Markup bytes_or_dash(const Figure& bytes) {
  if (!bytes) return {"<span class=\"nil\" title=\"not measured\">\u2013</span>"};
  return markup("{}", human(*bytes));
}

std::string bar_part(std::string_view fill, double from, double to) {
  if (to - from < 0.005) return {};
  const bool thin = fill == "f-file";  // what may be taken back is slighter than what may not
  return fmt::format(R"(<rect class="{}" x="{:.2f}%" width="{:.2f}%" y="{}" height="{}"/>)", fill, from, to - from,
                     thin ? 4 : 2, thin ? 4 : 8);
}

Markup bar(std::string_view parts) {
  return {fmt::format(R"(<svg class="bar" width="100%" height="12" aria-hidden="true">{}</svg>)", parts)};
}

Markup need_bar(const View& view, const Cell& cell) {
  const Figure need = expected_need(cell);
  if (!need) return {};
  const double seen = percent(cell.need_bytes.value_or(0), view.scale), whole = percent(*need, view.scale);
  std::string parts = bar_part("f-file", whole, percent(*need + cell.reclaimable_bytes.value_or(0), view.scale));
  parts += bar_part(ended_early(cell) ? "f-no" : "f-need", 0, seen);
  parts += bar_part("f-hatch", seen, whole);  // what it would have needed had it not ended
  const Figure limit = view.limit_of(cell);
  if (limit && *limit <= view.scale) {
    parts += fmt::format(R"(<line class="l-limit" x1="{0:.2f}%" x2="{0:.2f}%" y2="12"/>)", percent(*limit, view.scale));
  }
  return bar(parts);
}

std::string share(Bytes part, Bytes whole) {
  if (whole == 0) return "-";
  const double percent = static_cast<double>(part) / static_cast<double>(whole) * 100;
  if (part > 0 && percent < 0.5) return "< 1 %";
  if (percent > 999.5) return "> 999 %";
  return fmt::format("{:.0f} %", percent);
}

}  // namespace weighbridge::reports::html
