// How it was measured: the meaning and source of each figure, and how to do it again.
#include "reports/html/assets.h"
#include "reports/html/sections.h"
#include "reports/units.h"

namespace weighbridge::reports::html {

void write_method(Out& out, const View& view) {
  const Record& record = view.record;
  const Settings& settings = record.settings;
  out.raw("<section id=\"method\" aria-labelledby=\"h-method\">\n<h2 id=\"h-method\">How it was measured</h2>\n");
  if (view.of_fit()) {
    out.print(
        "<p>Each limit was tried with the load in a process of its own, from a cold cache, in turns with the same load "
        "without a limit (seed {}). ",
        settings.seed);
  } else {
    out.print(
        "<p>Each of the {} ran {} in a process of its own, in shuffled order (seed {}), with {} over the weights in "
        "<code>use</code> (page cache: {}; huge pages: {}). ",
        counted(record.cells.size(), "way", "ways"),
        settings.repeat == 1 ? "once" : fmt::format("{} times", settings.repeat), settings.seed,
        counted(static_cast<size_t>(settings.passes), "pass", "passes"), settings.cache, settings.thp);
  }
  if (settings.reserve_bytes) {
    out.print("A guard ended what would have left the machine less than {}. ", human(*settings.reserve_bytes));
  }
  if (settings.resumed > 0) {
    out.print("The run was cut off and resumed {}. ", counted(static_cast<size_t>(settings.resumed), "time", "times"));
  }
  for (const Plugin& plugin : settings.plugins) {
    out.print("Plug-in {}{}{} is <code>{}</code>, SHA-256 <code>{}</code>. ", plugin.name,
              plugin.version.empty() ? "" : " ", plugin.version, plugin.path, plugin.sha256);
  }
  if (settings.sample_interval_ns > 0) {
    out.print("The timelines hold a sample every {}; peaks do not rest on them.</p>\n",
              human_duration(settings.sample_interval_ns));
  } else {
    out.raw("The sampler was off, so there are no timelines; peaks do not rest on them.</p>\n");
  }
  if (!settings.command.empty()) {
    out.print("<h3>To measure it again</h3>\n<pre tabindex=\"0\"><code>{}</code></pre>\n", settings.command);
  }
  out.raw(method_html.text);
  out.print("<footer><p>weighbridge {}{}{}, record schema <code>{}</code>.", record.version,
            record.commit.empty() ? "" : ", commit ", record.commit, record.schema);
  if (!chart_js.text.empty()) {
    out.raw(
        " Zooming by dygraphs 2.2, \u00A9 2006\u20132017 Dan Vanderkam and contributors, under the MIT licence, part "
        "of this "
        "file.");
  }
  out.raw(" This page loads nothing and sends nothing.</p></footer>\n</section>\n");
}

}  // namespace weighbridge::reports::html
