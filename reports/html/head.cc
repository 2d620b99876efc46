// The head line: what was weighed, where, against which limit, when.
#include <functional>
#include <set>

#include "reports/html/sections.h"
#include "reports/units.h"

namespace weighbridge::reports::html {
namespace {

std::string file_name(const std::string& path) {
  const size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) return path;
  const size_t slash = path.rfind('/', end);
  return path.substr(slash == std::string::npos ? 0 : slash + 1,
                     end + 1 - (slash == std::string::npos ? 0 : slash + 1));
}

Markup dtypes_of(const Checkpoint& checkpoint) {
  std::string html;
  for (const auto& [dtype, bytes] : checkpoint.dtypes) {
    if (!html.empty()) html += " + ";
    html += escape(dtype);
    if (checkpoint.dtypes.size() > 1) html += " (" + human(bytes) + ")";
  }
  return {html};
}

// "2026-01-31T12:00:05Z" as "2026-01-31 12:00:05 UTC"; anything else as it is.
std::string spoken_time(std::string iso) {
  if (iso.size() > 10 && iso[10] == 'T') iso[10] = ' ';
  if (!iso.empty() && iso.back() == 'Z') iso.replace(iso.size() - 1, 1, " UTC");
  return iso;
}

// "4.00 GiB, 1.00 GiB", the largest first; empty unless the cells have several limits of their own.
std::string limits_set(const Record& record) {
  std::set<Bytes, std::greater<>> limits;
  for (const Cell& cell : record.cells) {
    if (cell.limit_bytes) limits.insert(*cell.limit_bytes);
  }
  std::string text;
  for (const Bytes limit : limits) text += (text.empty() ? "" : ", ") + human(limit);
  return limits.size() > 1 ? text : "";
}

}  // namespace

void write_head_line(Out& out, const View& view) {
  const Record& record = view.record;
  const Checkpoint& checkpoint = record.checkpoint;
  const Machine& machine = record.machine;
  out.print(
      "<header>\n<p class=\"tool\"><a class=\"skip\" href=\"#verdict\">To the verdict</a><b>weighbridge</b> {}"
      "<time datetime=\"{}\">{}</time></p>\n<h1>{}</h1>\n<ul class=\"facts\">\n",
      record.version, record.started, spoken_time(record.started), file_name(checkpoint.path));
  out.print("<li><b>{}</b>, {}, {}", human(checkpoint.bytes), counted(checkpoint.tensors, "tensor", "tensors"),
            dtypes_of(checkpoint));
  if (!checkpoint.format.empty()) out.print(", {}", checkpoint.format);
  if (checkpoint.files > 1) out.print(" in {} files", checkpoint.files);
  out.raw("</li>\n<li>");
  if (!machine.hostname.empty()) out.print("{}, ", machine.hostname);
  out.print("{}, {} memory, {}</li>\n<li class=\"bites\">", counted(static_cast<size_t>(machine.cpus), "CPU", "CPUs"),
            human(machine.memory_bytes), machine.swap_bytes > 0 ? human(machine.swap_bytes) + " swap" : "no swap");
  const Limit* limit = record.limit();
  if (const std::string set = limits_set(record); !set.empty()) {
    out.print("limits set for this run: <b>{}</b>", set);
  } else if (view.limit && (!limit || *view.limit < limit->bytes)) {
    out.print("the limit that bites: <b>{}</b>, set for this run", human(*view.limit));
  } else if (limit) {
    out.print("the limit that bites: <b>{}</b>, {}", human(limit->bytes), limit->source);
  } else {
    out.raw("no memory limit was found");
  }
  out.raw("</li>\n</ul>\n</header>\n");
}

}  // namespace weighbridge::reports::html
