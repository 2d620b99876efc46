// The page as bytes: what it must say, in which order, and that no name of a checkpoint can be more than text.
#include "reports/html/html.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "reports/html/assets.h"
#include "reports/html/chart.h"
#include "reports/html/columns.h"
#include "reports/html/escape.h"
#include "tests/reports/html/sample_record.h"
#include "tests/reports/html/sha256.h"
#include "tests/support/catch.h"

using namespace weighbridge::reports;

namespace {

std::string html_of(const Record& record) {
  char* data = nullptr;
  size_t size = 0;
  std::FILE* memory = ::open_memstream(&data, &size);
  write_html(memory, record);
  std::fclose(memory);
  std::string text(data, size);
  std::free(data);
  return text;
}

// What stands between every `<tag...>` and `</tag>`.
std::vector<std::string> elements(const std::string& html, const std::string& tag, bool only_plain) {
  std::vector<std::string> out;
  for (size_t at = 0; (at = html.find("<" + tag, at)) != std::string::npos;) {
    const size_t open = html.find('>', at), close = html.find("</" + tag, open);
    if (!only_plain || open == at + tag.size() + 1) out.push_back(html.substr(open + 1, close - open - 1));
    at = close;
  }
  return out;
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++found;
  return found;
}

std::string policy_of(const std::string& html) {
  const std::string start = "Content-Security-Policy\" content=\"";
  const size_t at = html.find(start) + start.size();
  return html.substr(at, html.find('"', at) - at);
}

}  // namespace

TEST_CASE("text is escaped for elements, attributes and scripts") {
  CHECK(html::escape("<a href=\"x\">'&") == "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
  CHECK(html::escape("gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x98") == "gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x98");
  CHECK(html::escape("a\xffz\x1b\xc3") == "a\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd");
  CHECK(html::escape(std::string_view("\0", 1)) == "\xef\xbf\xbd");
  CHECK(html::escape("\xe2\x80\xaetxt") == "[U+202E]txt");
  CHECK(html::escape("\xc0\xbc\xe0\x80\xbc\xed\xa0\x80").find('<') == std::string::npos);
  CHECK(html::json_string("</script>&\"\\\n\xe2\x80\xa8\xe2\x80\xa9") ==
        R"("\u003c/script\u003e\u0026\"\\\u000a\u2028\u2029")");
}

TEST_CASE("the policy allows exactly the scripts and style sheets that are in the page") {
  const std::string html = html_of(gpt2_record());
  const std::string policy = policy_of(html);
  const auto scripts = elements(html, "script", true), styles = elements(html, "style", true);
  CHECK(scripts.size() >= 1);
  CHECK(styles.size() >= 1);
  for (const auto* group : {&scripts, &styles}) {
    for (const std::string& text : *group)
      CHECK_THAT(policy, ContainsSubstring("'sha256-" + sha256_base64(text) + "'"));
  }
  CHECK(count(policy, "sha256-") == scripts.size() + styles.size());
  CHECK_THAT(policy, ContainsSubstring("default-src 'none'"));
  CHECK_THAT(policy, ContainsSubstring("base-uri 'none'; form-action 'none'"));
  CHECK_THAT(policy, !ContainsSubstring("script-src 'unsafe-inline'") && !ContainsSubstring("unsafe-eval"));
}

TEST_CASE("nothing in the page points outside it") {
  std::string html = html_of(gpt2_record());
  if (!html::chart_js.text.empty()) html.erase(html.find(html::chart_js.text), html::chart_js.text.size());
  for (const char* reference : {"<img", "<link", "<iframe", "src=\"", "url(http", "@import", "sourceMappingURL"}) {
    INFO(reference);
    CHECK(count(html, reference) == 0);
  }
  CHECK(count(html, "href=\"") == count(html, "href=\"#"));
}

TEST_CASE("the verdict stands first, in words, then what to change, then every way") {
  const std::string html = html_of(gpt2_record());
  size_t before = 0;
  for (const char* part :
       {"23 of 24 ways fit in 768 MiB.", "Lightest way that fits", "Heaviest way", "Do this first", "What to change",
        "All ways at a glance", "All figures", "Memory over time", "Predicted beside measured", ">Accuracy<",
        ">Trials<", "Machine and limits", "How it was measured"}) {
    INFO(part);
    const size_t at = html.find(part, html.find("<body>"));
    REQUIRE(at != std::string::npos);
    CHECK(at > before);
    before = at;
  }
}

TEST_CASE("the best way that fits and the heaviest with its reason are named") {
  const std::string html = html_of(gpt2_record());
  const std::string verdict =
      html.substr(html.find("id=\"verdict\""), html.find("id=\"findings\"") - html.find("id=\"verdict\""));
  CHECK_THAT(verdict, ContainsSubstring(">mmap/native</a>"));
  CHECK_THAT(verdict, ContainsSubstring(">state-dict/native</a>"));
  CHECK_THAT(verdict, ContainsSubstring("oom-killed"));
  CHECK_THAT(verdict,
             ContainsSubstring(
                 "475 MiB of it are copies that exist only while it loads. At its predicted peak: 475 MiB of weights"));
  CHECK_THAT(verdict, ContainsSubstring("Need</b> is memory that cannot be given up without swap"));
}

TEST_CASE("findings come with the largest saving first") {
  const std::string html = html_of(gpt2_record());
  const size_t list = html.find("class=\"findings\"");
  CHECK(html.find("saves <b>475 MiB", list) < html.find("saves <b>237 MiB", list));
  CHECK(html.find("saves <b>237 MiB", list) < html.find("no saving in bytes", list));
}

TEST_CASE("a chart flags the exact peak, and its column is drawn whatever the width") {
  Record record = gpt2_record();
  record.cells.resize(1);
  Trial& trial = record.cells[0].trials[0];
  record.cells[0].trials.resize(1);
  Timeline& line = trial.timeline;
  line.anon_kib[777] = 800'000;  // one sample of two thousand
  trial.phases.clear();
  const std::string html = html_of(record);
  CHECK_THAT(html, ContainsSubstring(fmt::format("need 781 MiB at {}", "")));
  const auto rows = html::rows_by_column(line, html::end_of(trial), 550);
  CHECK(std::count(rows.begin(), rows.end(), 777u) >= 1);
  const auto zoom = html::rows_for_zoom(line, 1'000);
  CHECK(zoom.size() <= 1'000);
  CHECK(std::count(zoom.begin(), zoom.end(), 777u) == 1);
  CHECK(zoom.front() == 0);
  CHECK(zoom.back() == line.size() - 1);
}

TEST_CASE("rows for the zoom are real rows in order, and only repeats are lost while there is room") {
  Timeline line;
  for (size_t i = 0; i < 900; ++i) {
    line.t_ns.push_back(i * 1'000'000);
    line.anon_kib.push_back(i < 300 ? static_cast<uint32_t>(i) : 300);
    for (auto* column : {&line.file_kib, &line.shmem_kib, &line.swap_kib, &line.weights_kib, &line.staging_kib}) {
      column->push_back(0);
    }
  }
  const auto rows = html::rows_for_zoom(line, 500);
  CHECK(std::is_sorted(rows.begin(), rows.end()));
  CHECK(rows.size() == 302);  // the ramp, its end, the last row
  const auto fewer = html::rows_for_zoom(line, 100);
  CHECK(fewer.size() <= 100);
  CHECK(fewer.back() == 899);
}

TEST_CASE("what was not measured is said with its reason, and an unrun way is no failure") {
  const std::string html = html_of(troubled_record());
  CHECK_THAT(html, ContainsSubstring("the run was interrupted"));
  CHECK_THAT(html, ContainsSubstring("1 of 3 ways fits; 1 way did not finish; 1 way was not run."));
  CHECK_THAT(html, ContainsSubstring("No timeline: the sampler was off."));
  CHECK_THAT(html, ContainsSubstring("the worker ended before it was ready"));
  CHECK_THAT(html, ContainsSubstring("no memory limit was found"));
  CHECK_THAT(html, ContainsSubstring("not-run"));
  CHECK_THAT(html, ContainsSubstring("class=\"f-swap\""));
}

TEST_CASE("what did not finish is said so, and nothing of memory") {
  Record record = gpt2_record();
  record.cells.resize(1);
  record.findings.clear();
  for (const char* word : {"timed-out", "killed", "interrupted"}) {
    record.cells[0].verdict = word;
    const std::string html = html_of(record);
    CHECK_THAT(html, ContainsSubstring(fmt::format("The one way tried did not finish: {}.", word)));
    CHECK_THAT(html, !ContainsSubstring("does not fit") && !ContainsSubstring("Raise the limit"));
  }
  record.cells[0].verdict = "failed";
  CHECK_THAT(html_of(record), ContainsSubstring("The one way tried failed.") && !ContainsSubstring("does not fit"));
  for (const char* word : {"oom-killed", "over-limit", "refused", "guard-stopped", "swapped", "thrashed"}) {
    record.cells[0].verdict = word;
    CHECK_THAT(html_of(record), ContainsSubstring("The one way measured does not fit in 768 MiB."));
  }
  CHECK_THAT(html_of(record), !ContainsSubstring("Raise the limit by"));  // it thrashes below it
  record.cells.push_back(record.cells[0]);
  CHECK_THAT(html_of(record), ContainsSubstring("None of the 2 ways fits in 768 MiB."));
  record.cells[0].verdict = "timed-out";
  CHECK_THAT(html_of(record), ContainsSubstring("The one way measured does not fit in 768 MiB; 1 way did not finish."));
  record.cells[1].verdict = "failed";
  CHECK_THAT(html_of(record), ContainsSubstring("None of the 2 ways finished."));
}

TEST_CASE("cold and warm twins have names of their own, once") {
  Record record = gpt2_record();
  record.cells.resize(2);
  record.cells[1] = record.cells[0];
  record.cells[1].cache = "cold";
  const std::string html = html_of(record);
  CHECK_THAT(html, ContainsSubstring(">state-dict/native warm<") && ContainsSubstring(">state-dict/native cold<"));
  CHECK_THAT(html, ContainsSubstring("<th scope=\"row\">state-dict cold</th>") && !ContainsSubstring("cold cold"));
}

TEST_CASE("hostile names are text everywhere") {
  const std::string html = html_of(hostile_record());
  const std::string normal = html_of(gpt2_record());
  const size_t plain = elements(normal, "script", true).size();
  CHECK(elements(html, "script", true).size() == plain);
  CHECK(count(html, "<script>") == plain);
  CHECK(count(html, "<img") == 0);
  CHECK(count(html, "<script>alert") == 0);
  CHECK(count(html, "\" onmouseover=\"alert") == 0);
  CHECK(count(html, "\x1b") == 0);
  CHECK(count(html, "\xff") == 0);
  CHECK_THAT(html, ContainsSubstring("&lt;script&gt;alert(1)&lt;/script&gt;"));
  size_t data = 0;
  for (const std::string& text : elements(html, "script", false)) {
    if (!text.starts_with('{')) continue;
    ++data;
    CHECK(text.find_first_of("<>&") == std::string::npos);
  }
  CHECK(data == 4);
}

TEST_CASE("an empty record is a page too") {
  Record record;
  CHECK_THAT(html_of(record), ContainsSubstring("Nothing was measured."));
  record.cells.resize(1);
  CHECK_THAT(html_of(record), ContainsSubstring("No timeline: this way was not run."));
  record.cells[0].trials.resize(1);
  record.cells[0].trials[0].timeline.t_ns = {0};
  for (auto* column :
       {&record.cells[0].trials[0].timeline.anon_kib, &record.cells[0].trials[0].timeline.file_kib,
        &record.cells[0].trials[0].timeline.shmem_kib, &record.cells[0].trials[0].timeline.swap_kib,
        &record.cells[0].trials[0].timeline.weights_kib, &record.cells[0].trials[0].timeline.staging_kib}) {
    column->push_back(0);
  }
  CHECK_THAT(html_of(record), ContainsSubstring("class=\"chart\""));
}

TEST_CASE("24 ways of 2,000 samples stay below a megabyte without the library") {
  const std::string html = html_of(gpt2_record());
  CHECK(html.size() - html::chart_js.text.size() < 1'000'000);
  CHECK(count(html, "class=\"chart\"") == 24);
}

TEST_CASE("so they do when every sample differs from its neighbours in every column") {
  Record record = gpt2_record();
  uint32_t state = 1;
  for (Cell& cell : record.cells) {
    for (Trial& trial : cell.trials) {
      Timeline& line = trial.timeline;
      for (auto* column : {&line.anon_kib, &line.file_kib, &line.swap_kib, &line.weights_kib, &line.staging_kib}) {
        for (uint32_t& kib : *column) kib += (state = state * 1'664'525 + 1'013'904'223) >> 20 & ~3u;
      }
    }
  }
  CHECK(html_of(record).size() - html::chart_js.text.size() < 1'000'000);
}

TEST_CASE("a limit that was set for the run stands in the verdict, not the machine's") {
  Record record = gpt2_record();
  record.machine.limits.resize(1);  // 23.4 GiB of physical memory
  const std::string html = html_of(record);
  CHECK_THAT(html, ContainsSubstring("23 of 24 ways fit in 768 MiB."));
  CHECK_THAT(html, ContainsSubstring("the limit that bites: <b>768 MiB</b>, set for this run"));
  record.cells[3].limit_bytes = 1u << 30;
  const std::string two = html_of(record);
  CHECK_THAT(two, ContainsSubstring("1 of 1 way fits in 1.00 GiB, 22 of 23 in 768 MiB."));
  CHECK_THAT(two, ContainsSubstring("state-dict/int8 @ 1GiB"));
  CHECK_THAT(two, ContainsSubstring("limits set for this run: <b>1.00 GiB, 768 MiB</b>"));
}

TEST_CASE("of several limits the page says what fits in each, what held it, and who says what did not") {
  const std::string html = html_of(limits_record());
  CHECK_THAT(html, ContainsSubstring("3 of 4 ways fit in 768 MiB, 1 of 4 in 128 MiB."));
  CHECK_THAT(
      html, ContainsSubstring("Best way in the smallest limit") && ContainsSubstring(">mmap/native cold @ 128MiB</a>"));
  CHECK_THAT(html, ContainsSubstring("limits set for this run: <b>768 MiB, 128 MiB</b>"));
  CHECK_THAT(html, ContainsSubstring("the limit was watched, not held: cache pressure and swap were not emulated "
                                     "(cgroup2: mounted read-only)."));
  CHECK(count(html, "The limit of 128 MiB was watched, not held") == 4);
  CHECK(count(html, "The limit of 768 MiB was held by cgroup v2, with 0 B of swap.") == 4);
  CHECK_THAT(html,
             ContainsSubstring("In its limit: at the limit 4,321 times, 9,000 major faults, 391 MiB of file pages "
                               "read again, stood still for 410 ms."));
  CHECK_THAT(html, ContainsSubstring("<b>kernel log</b> Killed process 4711 <small>anon rss 765 MiB</small>"));
  CHECK_THAT(html, ContainsSubstring("A guard ended what would have left the machine less than 1.00 GiB.") &&
                       ContainsSubstring("resumed 2 times") &&
                       ContainsSubstring("Plug-in mine 1.0 is <code>./libmine.so</code>"));
  CHECK_THAT(html, ContainsSubstring("<td class=\"t\">address space: mappings count, read or not</td>") &&
                       ContainsSubstring("<td class=\"t\">locked memory: no load runs into it</td>"));
  CHECK(count(html, "this one bites") == 1);
}

TEST_CASE("what fit found stands in words, as a table with a picture, and try by try") {
  const std::string html = html_of(fit_record());
  CHECK_THAT(html, ContainsSubstring("<title>The smallest limit is 8.00 MiB; useful from 490 MiB</title>"));
  CHECK_THAT(html,
             ContainsSubstring("The smallest limit: mmap native survives in 8.00 MiB, but is useful only from 490 "
                               "MiB (1.9x as long); eager native needs 520 MiB; train.py f32 has none that was "
                               "found."));
  const std::string fits =
      html.substr(html.find("id=\"fits\""), html.find("id=\"machine\"") - html.find("id=\"fits\""));
  CHECK(count(fits, "class=\"f-swap\"") == 2);  // the key and mmap's stretch: eager is useful where it survives
  CHECK(count(fits, "class=\"f-ok\"") == 3);
  CHECK(count(fits, "class=\"l-predicted\"") == 3);
  CHECK_THAT(fits,
             ContainsSubstring("<b class=\"name\">mmap native</b> in 8.00 MiB: thrashed, 410,000 major faults, 7.63 "
                               "GiB read again, stood still for 31.0 s of 42.0 s."));
  CHECK(count(fits, "<td class=\"v\">smallest, and useful</td>") == 1);
  CHECK(count(fits, "<td class=\"v\">smallest</td>") == 1);
  CHECK_THAT(html, ContainsSubstring("<dd>it was stopped in every limit that was tried"));
  for (const char* absent : {"id=\"findings\"", "id=\"predictions\"", "id=\"accuracy\"", "Nothing was measured"}) {
    INFO(absent);
    CHECK(count(html, absent) == 0);
  }

  Record record = fit_record();
  record.fits.erase(record.fits.begin(), record.fits.begin() + 2);
  CHECK_THAT(html_of(record), ContainsSubstring("No limit was found in which it loads."));
  record = gpt2_record();
  // The loads at the limits that were found are the fit's own cells: it is no run.
  Record with_cells = fit_record();
  Cell at_limit;
  at_limit.strategy = with_cells.fits[0].strategy;
  at_limit.options = with_cells.fits[0].options;
  at_limit.dtype = with_cells.fits[0].dtype;
  at_limit.limit_bytes = 64 << 20;
  at_limit.verdict = "thrashed";
  with_cells.cells = {at_limit};
  CHECK_THAT(html_of(with_cells), ContainsSubstring("The smallest limit is") && !ContainsSubstring("ways fit"));

  record.fits = fit_record().fits;  // beside a run: a section of its own, and the run's verdict
  CHECK_THAT(html_of(record), ContainsSubstring("23 of 24 ways fit") && ContainsSubstring("id=\"fits\"") &&
                                  ContainsSubstring("id=\"findings\""));
}

TEST_CASE("a file is there completely or not at all") {
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("weighbridge-html-{}", ::getpid());
  std::filesystem::create_directory(folder);
  const std::string path = (folder / "report.html").string();
  write_html_file(path, troubled_record());
  CHECK(std::filesystem::file_size(path) == html_of(troubled_record()).size());
  CHECK(std::distance(std::filesystem::directory_iterator(folder), {}) == 1);
  CHECK_THROWS_AS(write_html_file((folder / "none/report.html").string(), Record()), std::system_error);
  std::filesystem::remove_all(folder);
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> full(std::fopen("/dev/full", "w"), &std::fclose);
  CHECK_THROWS_AS(write_html(full.get(), Record()), std::system_error);
}
