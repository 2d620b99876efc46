#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <system_error>

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

[[noreturn]] void fail(const std::string& what, const std::string& path) {
  throw std::system_error(errno, std::generic_category(), path + ": the HTML report cannot be written: " + what);
}

// A folder's entry is on the disk only after the folder itself is.
void sync_folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;  // the report itself is written; a folder that cannot be read cannot be synchronised either
  ::fsync(fd);
  ::close(fd);
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
  html::write_findings(out, view);
  html::write_matrix(out, view);
  html::write_table(out, view);
  html::write_timelines(out, view);
  html::write_predictions(out, view);
  html::write_accuracy(out, view);
  html::write_trials(out, view);
  html::write_machine(out, view);
  html::write_method(out, view);
  out.raw("</main>\n");
  write_scripts(out);
  out.raw("</body>\n</html>\n");
  out.flush();
}

void write_html_file(const std::string& path, const Record& record) {
  const std::string temporary = path + "." + std::to_string(::getpid()) + ".tmp";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) fail("open " + temporary, path);
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(::fdopen(fd, "w"), &std::fclose);
  try {
    if (!file) {
      ::close(fd);
      fail("fdopen", path);
    }
    write_html(file.get(), record);
    if (::fsync(fd) != 0) fail("fsync", path);
    if (std::fclose(file.release()) != 0) fail("close", path);
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail("rename", path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  sync_folder_of(path);
}

}  // namespace weighbridge::reports
