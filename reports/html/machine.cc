// The machine and every bound on its memory; and whatever could not be measured, with the reason.
#include <algorithm>
#include <map>
#include <utility>

#include "reports/html/sections.h"
#include "reports/units.h"

namespace weighbridge::reports::html {
namespace {

void write_fact(Out& out, const char* name, std::string_view value) {
  if (!value.empty()) out.print("<div><dt>{}</dt><dd>{}</dd></div>\n", name, value);
}

std::string what_it_bounds(const Limit& limit) {
  if (limit.bounds == Limit::kBoundsAddressSpace) return limit.bounds + ": mappings count, read or not";
  if (limit.bounds == Limit::kBoundsLocked) return limit.bounds + ": no load runs into it";
  return limit.bounds;
}

void write_limits(Out& out, const View& view) {
  std::vector<const Limit*> limits;
  for (const Limit& limit : view.record.machine.limits) limits.push_back(&limit);
  if (limits.empty()) {
    out.raw("<p>No bound on this process's memory was found.</p>\n");
    return;
  }
  std::stable_sort(limits.begin(), limits.end(), [](const Limit* a, const Limit* b) { return a->bytes < b->bytes; });
  out.raw(
      "<table class=\"limits\"><thead><tr><th scope=\"col\" class=\"t\">bound</th><th scope=\"col\">bytes</th><th "
      "scope=\"col\" class=\"t\">of</th><th scope=\"col\" class=\"t\"></th></tr></thead><tbody>\n");
  for (const Limit* limit : limits) {
    out.print("<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"t\">{}</td><td class=\"t\">{}</td></tr>\n",
              limit->source, human(limit->bytes), what_it_bounds(*limit),
              Markup{limit == view.record.limit() ? "<b>this one bites</b>" : ""});
  }
  out.raw("</tbody></table>\n");
}

// One line for each figure and reason, however many cells and trials share it.
void write_unavailable(Out& out, const View& view) {
  std::map<std::pair<std::string, std::string>, size_t> counts;
  const auto add = [&](const Reasons& reasons) {
    for (const auto& reason : reasons) ++counts[reason];
  };
  add(view.record.machine.unavailable);
  for (const Cell& cell : view.record.cells) {
    add(cell.unavailable);
    for (const Trial& trial : cell.trials) add(trial.unavailable);
  }
  for (const Fit& fit : view.record.fits) add(fit.unavailable);
  out.raw("<h3>What could not be measured</h3>\n");
  if (counts.empty()) {
    out.raw("<p>Everything that was asked for was measured.</p>\n");
    return;
  }
  out.raw("<p class=\"lead\">Shown as \u2013 above, never as 0.</p>\n<dl class=\"reasons\">\n");
  for (const auto& [reason, count] : counts) {
    out.print("<div><dt><code>{}</code></dt><dd>{}", reason.first, reason.second);
    if (count > 1) out.print(" <small>({} times)</small>", count);
    out.raw("</dd></div>\n");
  }
  out.raw("</dl>\n");
}

}  // namespace

void write_machine(Out& out, const View& view) {
  const Machine& machine = view.record.machine;
  const Checkpoint& checkpoint = view.record.checkpoint;
  out.raw("<section id=\"machine\" aria-labelledby=\"h-machine\">\n<h2 id=\"h-machine\">Machine and limits</h2>\n");
  write_limits(out, view);
  out.raw("<div class=\"columns\">\n<dl class=\"facts\">\n");
  write_fact(out, "host", machine.hostname);
  write_fact(out, "system", machine.distribution);
  write_fact(out, "kernel", machine.kernel);
  write_fact(out, "processor",
             machine.cpu.empty() ? counted(static_cast<size_t>(machine.cpus), "CPU", "CPUs")
                                 : fmt::format("{} x {}", machine.cpus, machine.cpu));
  write_fact(out, "memory",
             human(machine.memory_bytes) + ", " + human(machine.available_bytes) + " available at the start");
  write_fact(
      out, "swap",
      machine.swap_bytes == 0 ? "none" : human(machine.swap_bytes) + ", " + human(machine.swap_free_bytes) + " free");
  write_fact(out, "page", human(machine.page_bytes));
  write_fact(out, "huge pages", machine.thp);
  write_fact(out, "allocator", machine.allocator);
  write_fact(out, "error of resident sizes",
             human(machine.error_bytes) + (machine.error_source.empty() ? "" : ": " + machine.error_source));
  out.raw("</dl>\n<dl class=\"facts\">\n");
  write_fact(out, "checkpoint", checkpoint.path);
  write_fact(out, "format", checkpoint.format);
  write_fact(out, "lies on", checkpoint.filesystem);
  write_fact(out, "tensors", human(checkpoint.bytes) + " in " + counted(checkpoint.tensors, "tensor", "tensors"));
  write_fact(out, "files", human(checkpoint.file_bytes) + " in " + counted(checkpoint.files, "file", "files"));
  write_fact(out, "parameters", human_count(checkpoint.parameters));
  write_fact(out, "largest tensor", human(checkpoint.largest_tensor_bytes));
  for (const auto& [dtype, bytes] : checkpoint.dtypes) {
    out.print("<div><dt>stored as {}</dt><dd>{}</dd></div>\n", dtype, human(bytes));
  }
  for (const auto& [reason, bytes] : checkpoint.encodings) {
    out.print("<div><dt>cannot be mapped</dt><dd>{}: {}</dd></div>\n", human(bytes), reason);
  }
  for (const Remark& remark : checkpoint.remarks) write_fact(out, "noted", remark.text);
  out.raw("</dl>\n</div>\n");
  write_unavailable(out, view);
  out.raw("</section>\n");
}

}  // namespace weighbridge::reports::html
