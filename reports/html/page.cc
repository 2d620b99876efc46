#include "reports/atomic_file.h"
#include "reports/html/assets.h"
#include "reports/html/html.h"
#include "reports/html/sections.h"

namespace weighbridge::reports {
namespace {

using html::Out;
using html::View;

// Everything but what is listed is forbidden, so that no name in a checkpoint can ever run or fetch anything. dygraphs
// measures an em through a style attribute; style sheets and scripts stay locked to the hashes of their bytes.
std::string content_security_policy() {
  std::string scripts = html::report_js.csp_source();
  std::string styles = html::report_css.csp_source();
  if (!html::chart_js.text.empty()) {
    scripts += " " + html::chart_js.csp_source();
    styles += " " + html::chart_css.csp_source();
  }
  return "default-src 'none'; script-src " + scripts + "; style-src " + styles +
         "; style-src-attr 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'";
}

void write_head(Out& out, const View& view) {
  out.print(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n",
      html::Markup{content_security_policy()});
  out.raw(
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n");
  out.print("<title>{}</title>\n", html::headline(view));
  for (const html::Asset* sheet : {&html::chart_css, &html::report_css}) {
    if (!sheet->text.empty()) out.print("<style>{}</style>\n", html::Markup{std::string(sheet->text)});
  }
  out.raw("</head>\n");
}

void write_scripts(Out& out) {
  for (const html::Asset* script : {&html::chart_js, &html::report_js}) {
    if (script->text.empty()) continue;
    out.raw("<script>");
    out.raw(script->text);
    out.raw("</script>\n");
  }
}

}  // namespace

void write_html(std::FILE* file, const Record& record) {
  const View view(record);
  Out out(file);
  write_head(out, view);
  out.raw("<body>\n");
  out.raw(html::symbols_svg.text);
  html::write_head_line(out, view);
  out.raw("<main id=\"main\">\n");
  html::write_verdict(out, view);
  html::write_fits(out, view);
  if (!view.of_fit()) html::write_findings(out, view);
  html::write_matrix(out, view);
  html::write_table(out, view);
  html::write_timelines(out, view);
  if (!view.of_fit()) {
    html::write_predictions(out, view);
    html::write_accuracy(out, view);
  }
  html::write_trials(out, view);
  html::write_machine(out, view);
  html::write_method(out, view);
  out.raw("</main>\n");
  write_scripts(out);
  out.raw("</body>\n</html>\n");
  out.flush();
}

void write_html_file(const std::string& path, const Record& record) {
  write_atomically(path, [&](std::FILE* file) { write_html(file, record); });
}

}  // namespace weighbridge::reports
