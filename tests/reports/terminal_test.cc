#include "reports/terminal.h"

#include <stdio.h>  // popen

#include <algorithm>
#include <cstdio>
#include <sstream>

#include "reports/aggregate.h"
#include "reports/bar.h"
#include "reports/evidence.h"
#include "reports/findings/findings.h"
#include "reports/paragraph.h"
#include "reports/printable.h"
#include "reports/summary.h"
#include "reports/verdict.h"
#include "reports/warnings.h"
#include "tests/reports/sample.h"
#include "tests/support/catch.h"

using namespace weighbridge::reports;
using sample::kGiB;
using sample::kMiB;

namespace {

const Bytes kStored = sample::checkpoint().bytes;

// Four ways of report-like figures, one of each fate.
Record four_ways() {
  Record record = sample::record();
  record.settings.interrupted = false;
  record.cells.pop_back();
  record.cells[0].options.clear();
  return record;
}

Record plan() {
  Record record = sample::record();
  record.settings.interrupted = false;
  record.findings.clear();
  for (Cell& cell : record.cells) {
    Cell planned;
    planned.strategy = cell.strategy;
    planned.dtype = cell.dtype;
    planned.limit_bytes = cell.limit_bytes;
    planned.predicted = cell.predicted;
    cell = planned;
    aggregate(cell, 0);
  }
  record.cells.back().predicted.reset();
  return record;
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) all.push_back(line);
  return all;
}

// "25.1 GiB:": a figure and its unit, which stay together.
bool is_figure(const std::string& text) {
  const size_t space = text.find(' ');
  return text[0] >= '0' && text[0] <= '9' && text.find(' ', space + 1) == std::string::npos;
}

// The mark at the end of the line that begins with `strategy`.
std::string mark_in(const std::string& text, const std::string& strategy) {
  for (const std::string& line : lines(text)) {
    if (line.starts_with(strategy)) return line.substr(line.find_last_of(' ') + 1);
  }
  return "";
}

std::string bar(Bytes need, Bytes cache, Figure limit, unsigned columns = 20, bool utf8 = false) {
  return draw({need, cache, limit, 100, columns, utf8});
}

}  // namespace

TEST_CASE("the table at 80 columns, word for word") {
  CHECK(render_terminal(four_ways(), {}) ==
        R"golden(STRATEGY    DTYPE        NEED    +CACHE  PREDICTED  AGAINST 8.00 GiB         CPU
stream      int8     6.28 GiB  1.00 MiB   6.28 GiB  [##########---|  ] ok  9.4 s
mmap        native   1.00 MiB  12.5 GiB    700 KiB  [#++++++++++++|  ] ok  9.4 s
eager       f32     >8.00 GiB       0 B   25.1 GiB  [#############|##] x       -
   oom-killed: killed by the container's limit at 41.2 s, phase load (oom_kill
     1)
     memory.events of the cage: oom_kill rose (oom kill before 0, oom kill after
       1)
state-dict  native  >8.00 GiB       0 B   25.1 GiB  [#############|##] x       -
   oom-killed: killed by the container's limit at 41.2 s, phase load (oom_kill
     1)

What to change, most saved first:
 - saves 25.1 GiB: Two full copies exist at once while state-dict/native loads:
   it would need 25.1 GiB, mmap/native needs 1.00 MiB.
   Load as mmap/native does. Let the file's tensors become the model's. In
   PyTorch: build the model under torch.device("meta"), then torch.load(path,
   mmap=True) and model.load_state_dict(state, assign=True). In Transformers:
   from_pretrained(..., low_cpu_mem_usage=True), with a safetensors checkpoint,
   which is read tensor by tensor.
 - saves 12.6 GiB: The checkpoint stores 16-bit numbers; as f32 its 12.6 GiB
   become 25.1 GiB.
   Keep the dtype it is stored in: from_pretrained(..., dtype="auto") in
   Transformers (torch_dtype="auto" in older releases, whose default is f32); in
   PyTorch build the model under torch.set_default_dtype(torch.bfloat16) or
   torch.float16. The values are the same: f32 adds no precision that the file
   does not have.

fits: 2 of 4 ways.  Best: mmap native, needs 1.00 MiB of 8.00 GiB.
Heaviest: eager f32, would need 25.1 GiB: 16-bit numbers are loaded as f32,
   twice the bytes.
)golden");
}

TEST_CASE("a plan at 80 columns, word for word") {
  CHECK(render_plan(plan(), {}) == R"golden(STRATEGY    DTYPE       NEED    +CACHE  AGAINST 8.00 GiB
stream      int8    6.28 GiB  4.00 MiB  [#######################------|     ] ok
mmap        native       0 B  12.6 GiB  [+++++++++++++++++++++++++++++|     ] ok
eager       f32     25.1 GiB       0 B  [#############################|#####] x
state-dict  native  25.1 GiB       0 B  [#############################|#####] x
lazy        native         -         -                                        ?

NEED is predicted, without the floor: what a process needs that has loaded
   nothing.

should fit: 2 of 5 ways.  Best: mmap native, would need 0 B of 8.00 GiB.
Heaviest: eager f32, would need 25.1 GiB: 25.1 GiB of it are the weights.
  try   weighbridge run models/llama-7b.safetensors --strategy mmap --dtype native --limit 8GiB
)golden");
}

TEST_CASE("the verdict in one line") {
  TerminalStyle quiet;
  quiet.verbosity = -1;
  CHECK(render_terminal(four_ways(), quiet) == "fits: 2 of 4 ways.  Best: mmap native, needs 1.00 MiB of 8.00 GiB.\n");
  CHECK(render_verdict(sample::record(), {}) ==
        "fits: 2 of 5 ways (1 not run).  Best: mmap native, needs 1.00 MiB of 8.00 GiB.\n");
  CHECK(render_verdict(plan(), {}) == "should fit: 2 of 5 ways.  Best: mmap native, would need 0 B of 8.00 GiB.\n");
  CHECK(render_verdict(Record{}, {}) == "nothing was weighed.\n");

  Record record = four_ways();
  record.cells.erase(record.cells.begin(), record.cells.begin() + 2);
  CHECK(render_verdict(record, {}) == "fits: none of 2 ways.  Lightest: eager f32, would need 25.1 GiB of 8.00 GiB.\n");
  record.cells.pop_back();
  CHECK(render_verdict(record, {}) == "does not fit: eager f32, would need 25.1 GiB of 8.00 GiB.\n");
  record.cells[0].predicted.reset();
  CHECK(render_verdict(record, {}) == "does not fit: eager f32, needs more than 8.00 GiB of 8.00 GiB.\n");
  record.cells[0] = four_ways().cells[1];
  CHECK(render_verdict(record, {}) == "fits: mmap native, needs 1.00 MiB of 8.00 GiB.\n");
  record.cells[0].limit_bytes = std::nullopt;
  record.machine.limits.clear();
  CHECK(render_verdict(record, {}) == "fits: mmap native, needs 1.00 MiB.\n");
  record.cells.push_back(four_ways().cells[0]);
  record.cells[1].limit_bytes = std::nullopt;
  CHECK(render_verdict(record, {}) == "fits: all 2 ways.  Best: mmap native, needs 1.00 MiB.\n");
}

TEST_CASE("the plain form: a header, then a line of as many fields for each cell") {
  const auto all = lines(render_plain(sample::record()));
  REQUIRE(all.size() == 6);
  const auto fields = [](const std::string& line) { return std::count(line.begin(), line.end(), '\t') + 1; };
  for (const std::string& line : all) CHECK(fields(line) == 22);
  CHECK_THAT(all[0], ContainsSubstring("strategy\toptions\tdtype\tlimit_bytes\tcache\tverdict\tneed_bytes\t"));
  CHECK_THAT(all[1], ContainsSubstring("stream\tchunk=1MiB\tint8\t8589934592\twarm\tfits\t6742609920\t262144\t"));
  CHECK_THAT(all[3], ContainsSubstring("\t-\t-\t-\t-\tkilled by the container's limit"));
  CHECK(all[3].ends_with("\t0\tcgroup v2"));
  CHECK(all[5].ends_with("\t-\t-"));
  CHECK_THAT(all[5], ContainsSubstring("lazy\t-\tnative\t8589934592\twarm\tnot-run\t-\t-\t"));
}

TEST_CASE("no line is wider than the terminal unless one word is, and no word is broken") {
  TerminalStyle style;
  style.verbosity = 1;
  Record record = sample::record();
  const std::string everything = render_terminal(record, {400, false, false, 1});
  for (unsigned columns : {10u, 24u, 30u, 39u, 40u, 45u, 50u, 59u, 60u, 66u, 70u, 79u, 80u, 100u, 200u}) {
    style.columns = columns;
    for (const std::string& text : {render_terminal(record, style), render_plan(plan(), style)}) {
      for (const std::string& line : lines(text)) {
        const bool command = line.starts_with("  try   ");  // to be copied whole
        const size_t word = line.find_first_not_of(" -");
        const size_t space = line.find(' ', word);
        const bool one_word = word == std::string::npos || space == std::string::npos || is_figure(line.substr(word));
        INFO(columns << ": " << line);
        CHECK((columns_of(line) <= columns || command || one_word));
      }
    }
    std::istringstream words(render_terminal(record, style));
    for (std::string word; words >> word;) {
      if (word.back() == ':') word.pop_back();
      if (word.find_first_of("[]") == std::string::npos && word != "OF" && word != "LIMIT") {
        INFO(columns << ": " << word);
        CHECK((everything.find(word) != std::string::npos));
      }
    }
  }
}

TEST_CASE("a figure stays with its unit, a long word stays whole") {
  CHECK(paragraph("it needs 6.71 GiB now", 13, "", "  ") == "it needs\n  6.71 GiB\n  now\n");
  CHECK(paragraph("a torch.set_default_dtype b", 10, " - ", "   ") == " - a\n   torch.set_default_dtype\n   b\n");
  CHECK(paragraph("one.  Two", 80, "", "") == "one.  Two\n");
  CHECK(paragraph("", 80, "x", "") == "x\n");
}

TEST_CASE("colour doubles the marks and changes no word") {
  const std::string plain = render_terminal(four_ways(), {});
  std::string coloured = render_terminal(four_ways(), {80, true, false, 0});
  CHECK_THAT(coloured, ContainsSubstring("\x1b[32m") && ContainsSubstring("\x1b[31m"));
  for (size_t at; (at = coloured.find('\x1b')) != std::string::npos;) {
    coloured.erase(at, coloured.find('m', at) - at + 1);
  }
  CHECK(coloured == plain);
}

TEST_CASE("bars: the limit stands still, what passes it is seen, and nothing is drawn as nothing") {
  CHECK(bar(0, 0, 100) == "[---------------|  ]");
  CHECK(bar(1, 0, 100) == "[#--------------|  ]");
  CHECK(bar(50, 20, 100) == "[########+++----|  ]");
  CHECK(bar(50, 5000, 100) == "[########+++++++|  ]");
  CHECK(bar(99, 0, 100) == "[##############-|  ]");
  CHECK(bar(100, 0, 100) == "[###############|  ]");
  CHECK(bar(101, 0, 100) == "[###############|# ]");
  CHECK(bar(100000, 7, 100) == "[###############|##]");
  CHECK(bar(~Bytes{0}, ~Bytes{0}, 1) == "[###############|##]");
  CHECK(bar(50, 0, std::nullopt) == "[#########---------]");
  CHECK(bar(0, 0, 0) == "[---------------|  ]");
  CHECK(bar(50, 20, 100, 20, true) == "[███████▌▒▒▒····┃  ]");
  CHECK(bar(1, 0, 100, 20, true) == "[▏··············┃  ]");
  for (Bytes need = 0; need < 130; ++need) {
    for (unsigned columns : {8u, 9u, 12u, 33u}) {
      CHECK(columns_of(bar(need, need / 3, 100, columns)) == columns);
      CHECK(columns_of(bar(need, need / 3, 100, columns, true)) == columns);
      CHECK(columns_of(bar(need, need / 3, std::nullopt, columns, true)) == columns);
    }
  }
}

TEST_CASE("names from a checkpoint cannot steer the terminal") {
  Record record = four_ways();
  for (Cell& cell : record.cells) {
    cell.strategy = "\x1b[2Jstream\n";
    cell.dtype =
        "f\xE2\x80\xAE"
        "16";
    cell.reason = "bell \a";
    cell.cage = "watched";
    for (Trial& trial : cell.trials) trial.evidence = {{"log\x1b", "\x1b[2J\n", {{"a\a_bytes", 1}}}};
    cell.unavailable["x\r"] = "\x1b]0;title\a";
  }
  record.checkpoint.path = "evil\x1b[31m.safetensors";
  record.machine.error_source = record.settings.cage_reason = "\x9b";
  record.machine.error_bytes = kGiB;
  record.findings = find(record);
  for (const bool utf8 : {false, true}) {
    for (const std::string& text :
         {render_terminal(record, {80, false, utf8, 1}), render_plan(record, {80, false, utf8, 1}),
          render_verdict(record, {80, false, utf8, 0}), render_plain(record)}) {
      for (const unsigned char c : text) CHECK((c >= 0x20 || c == '\n' || c == '\t'));
      CHECK(text.find("\xE2\x80\xAE") == std::string::npos);
      CHECK(text.find("  try ") == std::string::npos);  // a path that cannot be shown cannot be pasted
    }
  }
}

TEST_CASE("paths that a shell would take apart are quoted") {
  Record record = four_ways();
  CHECK(try_line(record) == "");  // the best way was just measured
  record = plan();
  record.checkpoint.path = "my model's.safetensors";
  CHECK_THAT(render_plan(record, {}),
             ContainsSubstring("weighbridge run 'my model'\\''s.safetensors' --strategy mmap"));
  record.checkpoint.path = "-rf";
  CHECK_THAT(render_plan(record, {}), ContainsSubstring("weighbridge run ./-rf --strategy"));
}

TEST_CASE("a word is quoted so that a shell reads it back, on one line") {
  CHECK(shell_quoted("mmap:chunk=1MiB,x=2") == "mmap:chunk=1MiB,x=2");
  CHECK(shell_quoted("--dtype") == "--dtype");
  CHECK(shell_quoted("") == "''");
  CHECK(shell_quoted("two words") == "'two words'");
  CHECK(shell_quoted("it's $HOME") == "'it'\\''s $HOME'");
  CHECK(shell_quoted("a\n'b\\\x1b"
                     "1\xff") == R"($'a\n\'b\\\0331\377')");
  CHECK(shell_quoted_path("-x y") == "'./-x y'");
  CHECK(shell_quoted_path("a/-x") == "a/-x");
  for (const std::string word : {"a b", "it's", "a\nb'c\\d",
                                 "\t\x01"
                                 "7",
                                 "-n", "*", "~", "caf\xc3\xa9", "\xe2\x80\xae"}) {
    const std::string command = "printf %s " + shell_quoted(word);
    std::FILE* shell = ::popen(("bash -c " + shell_quoted(command)).c_str(), "r");
    REQUIRE(shell != nullptr);
    char read[64] = {};
    const size_t size = std::fread(read, 1, sizeof read, shell);
    ::pclose(shell);
    INFO(command);
    CHECK(std::string(read, size) == word);
  }
}

TEST_CASE("after a run that nothing fits in, what to try is what was not looked at") {
  Record record = four_ways();
  record.cells.erase(record.cells.begin(), record.cells.begin() + 2);
  CHECK(try_line(record) == "weighbridge plan models/llama-7b.safetensors --dtype int8 --limit 8GiB");
  record.cells[0].dtype = "int8";
  CHECK(try_line(record) == "");
}

TEST_CASE("what did not finish is said by its own word, and nothing of memory") {
  Record record = four_ways();
  record.cells.erase(record.cells.begin(), record.cells.begin() + 3);
  Cell& cell = record.cells[0];
  cell.reason = "still in load after 3.0 s.";
  for (const char* word : {"timed-out", "killed", "interrupted"}) {
    cell.verdict = word;
    CHECK(verdict_line(record) ==
          "did not finish: " + cell.verdict + ", state-dict native: still in load after 3.0 s.");
    CHECK(try_line(record) == "");
  }
  cell.verdict = "failed";
  CHECK(verdict_line(record) == "failed: state-dict native: still in load after 3.0 s.");
  cell.verdict = "not-run";
  CHECK(verdict_line(record) == "not measured: state-dict native, would need 25.1 GiB of 8.00 GiB.");
  for (const char* word : {"oom-killed", "over-limit", "refused", "guard-stopped"}) {
    cell.verdict = word;
    CHECK(verdict_line(record) == "does not fit: state-dict native, would need 25.1 GiB of 8.00 GiB.");
  }
  for (const char* word : {"swapped", "thrashed"}) {
    cell.verdict = word;
    CHECK(verdict_line(record) == "does not fit: state-dict native, needs 8.00 GiB of 8.00 GiB.");
  }
}

TEST_CASE("of several ways those that did not finish are counted apart") {
  Record record = four_ways();
  record.cells[2].verdict = "timed-out";
  CHECK(verdict_line(record) == "fits: 2 of 4 ways (1 timed-out).  Best: mmap native, needs 1.00 MiB of 8.00 GiB.");
  CHECK(heaviest_line(record).starts_with("Heaviest: state-dict native, would need 25.1 GiB"));
  record.cells.erase(record.cells.begin(), record.cells.begin() + 2);
  CHECK(verdict_line(record) ==
        "fits: none of 2 ways (1 timed-out).  Lightest: state-dict native, would need 25.1 GiB of 8.00 GiB.");
  record.cells[1].verdict = "failed";
  CHECK(verdict_line(record) == "did not finish: all 2 ways (1 failed, 1 timed-out).");
  CHECK(heaviest_line(record) == "");
  CHECK(try_line(record) == "");
  record.cells[0].verdict = "not-run";
  CHECK(verdict_line(record) == "did not finish: 1 of 2 ways (1 failed, 1 not run).");
  record.cells[1].verdict = "not-run";
  CHECK(verdict_line(record) == "not measured: 2 ways.");
  record.cells[0].verdict = record.cells[1].verdict = "failed";
  CHECK(verdict_line(record) == "failed: all 2 ways.");
}

TEST_CASE("a cold cell is told from its warm twin in names, findings and the best") {
  Record record = four_ways();
  record.cells[1].cache = "cold";
  CHECK(cell_name(record.cells[1]) == "mmap/native cold");
  CHECK(cell_name(record.cells[0]) == "stream/int8");
  CHECK(verdict_line(record) == "fits: 2 of 4 ways.  Best: mmap native cold, needs 1.00 MiB of 8.00 GiB.");
}

TEST_CASE("limits and cache states get columns of their own where they differ, and a limit's ways stand together") {
  Record record = four_ways();
  record.cells[0].limit_bytes = std::nullopt;
  record.cells[1].cache = "cold";
  record.cells[2].limit_bytes = 4 * kGiB;
  for (Cell& cell : record.cells) {
    for (Trial& trial : cell.trials) trial.evidence.clear();
  }
  const auto all = lines(render_terminal(record, {120, false, false, 0}));
  CHECK_THAT(all[0], ContainsSubstring("DTYPE   START     LIMIT       NEED") && ContainsSubstring("AGAINST LIMIT"));
  CHECK_THAT(all[1], ContainsSubstring("int8    warm   8.00 GiB"));  // the machine's bound
  CHECK_THAT(all[2], ContainsSubstring("native  cold   8.00 GiB"));
  CHECK_THAT(all[3], ContainsSubstring("native  warm   8.00 GiB"));
  CHECK_THAT(all[5], ContainsSubstring("f32     warm   4.00 GiB"));
}

TEST_CASE("who says that a trial was stopped stands below the first, and with -v below each") {
  const std::string normal = render_terminal(four_ways(), {200, false, false, 0});
  const auto times = [](const std::string& text, const std::string& part) {
    size_t found = 0;
    for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++found;
    return found;
  };
  CHECK(times(normal, "memory.events of the cage: oom_kill rose (oom kill before 0, oom kill after 1)") == 1);
  CHECK(times(normal, "kernel log") == 0);
  const std::string all = render_terminal(four_ways(), {200, false, false, 1});
  CHECK(times(all, "     memory.events of the cage: oom_kill rose") == 6);
  CHECK(times(all, "Killed process 4711 (weighbridge-wor) (anon rss 8.00 GiB)") == 6);
  CHECK(times(all, "     wait status: ended by signal 9 (SIGKILL)\n") == 6);

  CHECK(
      sentence({"memory.events", "oom_kill was 0 and is 12", {{"before", 0}, {"after", 12}, {"at", 1}, {"all", 2}}}) ==
      "memory.events: oom_kill was 0 and is 12 (at 1, all 2)");
  CHECK(sentence({"limit", "is 1.00 MiB, 4,096 pages.", {{"limit_bytes", 1 << 20}, {"pages", 4096}, {"x", 96}}}) ==
        "limit: is 1.00 MiB, 4,096 pages. (x 96)");
  CHECK(sentence({"log", "", {}}) == "log");

  Trial trial;
  trial.evidence = {{"wait status", "exited with status 1", {}}, {"message of the worker", "no such tensor", {}}};
  CHECK(most_telling(trial)->source == "message of the worker");
  trial.reason = "no such tensor";
  CHECK(most_telling(trial) == nullptr);
}

TEST_CASE("what a limit did to a cell that ended by itself is said where it explains the verdict") {
  Record record = four_ways();
  Cell& cell = record.cells[1];
  CHECK(under_pressure(cell, 4096) == "");  // it fits
  for (Trial& trial : cell.trials) {
    trial.verdict = trial.number == 2 ? "thrashed" : "fits-reclaiming";
    trial.phases[1].limit_hits = 1000 * static_cast<uint64_t>(trial.number);
    trial.phases[2].refault_file_pages = 1 << 20;
    trial.phases[2].refault_anon_pages = 256;
    trial.phases[2].cgroup_psi_full_ns = 3'200'000'000;
  }
  aggregate(cell, 0);
  const std::string said =
      "at the limit 2,000 times, 36 major faults, 4.00 GiB of file pages read again, 1.00 MiB read back from swap, "
      "stood still for 3.2 s";
  CHECK(under_pressure(cell, 4096) == said);
  CHECK_THAT(render_terminal(record, {200, false, false, 0}), ContainsSubstring("\n     " + said + "\n"));
  cell.trials[1].phases[0].limit_hits = std::nullopt;  // a sum that lacks a phase is not known
  cell.trials[1].phases[0].refault_anon_pages = std::nullopt;
  CHECK(under_pressure(cell, 0) == "36 major faults, 4.00 GiB of file pages read again, stood still for 3.2 s");
  cell.limit_bytes = std::nullopt;
  CHECK(under_pressure(cell, 4096) == "");
}

TEST_CASE("a watched limit is said not to be the same as one that is held") {
  Record record = four_ways();
  record.cells[0].cage = "watched";
  CHECK(warnings(record) ==
        std::vector<std::string>{"the limit was watched, not held: cache pressure and swap were not emulated."});
  record.settings.cage_reason = "no cgroup may be made here: \x1b[2J";
  record.cells[1].cage = "watched";
  CHECK(warnings(record).at(0).ends_with("emulated (no cgroup may be made here: \\x1b[2J)."));
  record.cells[1].limit_bytes = kGiB;
  CHECK(warnings(record).at(0).starts_with("the limits were watched, not held:"));
  CHECK_THAT(render_terminal(record, {}), ContainsSubstring("1 warning: the limits were watched, not held: cache"));
}

TEST_CASE(
    "of several limits the verdict says how many ways fit in each, and which is best in the smallest that any does") {
  Record record = four_ways();
  for (const Cell& cell : four_ways().cells) {
    record.cells.push_back(cell);
    record.cells.back().limit_bytes = 4 * kGiB;
  }
  record.cells[4] = sample::killed_cell("stream", "int8", kStored / 2, 4 * kGiB);  // 6.28 GiB do not fit in 4
  record.cells[4].limit_bytes = 4 * kGiB;
  CHECK(verdict_line(record) ==
        "fits: 2 of 4 ways in 8.00 GiB; 1 of 4 in 4.00 GiB.  Best in 4.00 GiB: mmap native, needs 1.00 MiB.");
  CHECK(heaviest_line(record).starts_with("Heaviest: eager f32, would need 25.1 GiB"));
  CHECK(summarise(record).limits.size() == 2);

  record.cells[5].verdict = "oom-killed";
  CHECK(verdict_line(record) ==
        "fits: 2 of 4 ways in 8.00 GiB; none of 4 in 4.00 GiB.  Best in 8.00 GiB: mmap native, needs 1.00 MiB.");
  record.cells[5].verdict = "timed-out";
  record.cells[0].verdict = record.cells[1].verdict = "oom-killed";
  CHECK(
      verdict_line(record) ==
      "fits: none of 4 ways in 8.00 GiB; none of 4 in 4.00 GiB (1 timed-out).  Lightest: mmap native, needs more than "
      "1.00 MiB of 8.00 GiB.");
  CHECK(try_line(record) == "");  // int8 was looked at
  for (const size_t i : {0u, 1u, 2u, 3u}) record.cells[i].limit_bytes = std::nullopt;
  record.machine.limits.clear();
  record.cells[3].verdict = "fits";
  CHECK_THAT(verdict_line(record), ContainsSubstring("1 of 4 ways without a limit; none of 4 in 4.00 GiB"));
}

TEST_CASE("one way in several limits is told by its name") {
  Record record = four_ways();
  record.cells = {record.cells[0], record.cells[0], record.cells[0]};
  record.cells[1].limit_bytes = 7 * kGiB;
  record.cells[2] = sample::killed_cell("stream", "int8", kStored / 2, 4 * kGiB);
  record.cells[2].limit_bytes = 4 * kGiB;
  CHECK(verdict_line(record) == "fits: stream int8 in 8.00 GiB, in 7.00 GiB, not in 4.00 GiB; needs 6.28 GiB.");
  CHECK(heaviest_line(record) == "");
  record.cells[1].verdict = "timed-out";
  CHECK(verdict_line(record) == "fits: stream int8 in 8.00 GiB, not in 4.00 GiB (1 timed-out); needs 6.28 GiB.");
  record.cells[1].cache = "cold";  // as it starts in a limit of its own
  CHECK_THAT(verdict_line(record), ContainsSubstring("stream int8 in 8.00 GiB, not in 4.00 GiB"));
  record.cells[0].verdict = "oom-killed";
  CHECK(verdict_line(record) ==
        "does not fit: stream int8 in 8.00 GiB, in 4.00 GiB (1 timed-out); needs more than 6.28 GiB.");
}

TEST_CASE("a plan for several limits counts in each, and goes on with the best in its limit") {
  Record record = plan();
  for (const Cell& cell : plan().cells) {
    record.cells.push_back(cell);
    record.cells.back().limit_bytes = 26 * kGiB;
  }
  CHECK(verdict_line(record) ==
        "should fit: 4 of 5 ways in 26.0 GiB; 2 of 5 in 8.00 GiB.  Best in 8.00 GiB: mmap native, would need 0 B.");
  CHECK(try_line(record).ends_with("--strategy mmap --dtype native --limit 8GiB"));
  record.cells = {record.cells[0], record.cells[5]};
  record.cells[0].limit_bytes = 4 * kGiB;
  CHECK(verdict_line(record) == "should fit: stream int8 in 26.0 GiB, not in 4.00 GiB; would need 6.28 GiB.");
}

TEST_CASE("a bound on the address space counts what is mapped, read or not") {
  Record record = plan();
  for (Cell& cell : record.cells) cell.limit_bytes = std::nullopt;
  record.machine.limits = {{"physical memory", 64 * kGiB}, {"ulimit -v", 12 * kGiB, Limit::kBoundsAddressSpace}};
  const Cell &stream = record.cells[0], &mmap = record.cells[1];
  CHECK(fits_in(record, stream));
  CHECK_FALSE(fits_in(record, mmap));  // 0 B of need and 12.6 GiB of mappings
  CHECK(mark_in(render_plan(record, {}), "mmap") == "x");
  record.machine.limits[1].bytes = 13 * kGiB;
  CHECK(fits_in(record, mmap));
  CHECK(
      verdict_line(record) ==
      "should fit: 2 of 5 ways.  Best: mmap native, would need 0 B, with its mappings 12.6 GiB of 13.0 GiB of address "
      "space.");

  // The larger bound bites those that map much.
  record.machine.limits = {{"container", 8 * kGiB}, {"ulimit -v", 12 * kGiB, Limit::kBoundsAddressSpace}};
  CHECK(limit_of(record, stream) == 8 * kGiB);
  CHECK(limit_of(record, mmap) == 12 * kGiB);
  CHECK_FALSE(fits_in(record, mmap));
  record.cells[1].limit_bytes = 4 * kGiB;  // asked about a limit elsewhere
  CHECK(fits_in(record, mmap));
  record.machine.limits.push_back({"ulimit -l", 1 << 16, Limit::kBoundsLocked});
  CHECK(limit_of(record, stream) == 8 * kGiB);

  // After a run the verdict says it, whatever the bounds.
  Record run = four_ways();
  for (Cell& cell : run.cells) cell.limit_bytes = std::nullopt;
  run.machine.limits = record.machine.limits;
  CHECK(fits_in(run, run.cells[1]));
  CHECK(counted_against({1, true}, run.cells[1]) == kMiB + kStored);
  run.cells[1].predicted->reclaimable_bytes = ~Bytes{0};
  CHECK(counted_against({1, true}, run.cells[1]) == ~Bytes{0});
}

TEST_CASE("warnings: unsteady times and needs, a cache that was not cold, counters that lag, an interruption") {
  CHECK(warnings(four_ways()).empty());

  Record record = four_ways();
  for (Phase& phase : record.cells[1].trials[2].phases) phase.cpu_ns = phase.cpu_ns / 2 * 3;
  CHECK(warnings(record) ==
        std::vector<std::string>{
            "times here vary by 50 % (mmap native): compare them within this run only; memory does not "
            "vary."});
  record = four_ways();
  record.cells[0].trials[1].phases[1].need_peak_bytes += kGiB;
  CHECK_THAT(warnings(record).at(0), ContainsSubstring("the need varies between trials of stream int8 (1.00 GiB)"));

  record = four_ways();
  record.cells[1].cache = "cold";
  CHECK_THAT(warnings(record).at(0),
             ContainsSubstring("12.6 GiB of the checkpoint was still cached before cold trials"));
  record.cells[1].trials.clear();
  CHECK(warnings(record).empty());

  record.machine.error_bytes = 32 * kMiB;
  CHECK_THAT(warnings(record).at(0), ContainsSubstring("may lag by 32.0 MiB (Linux before 6.2: 64 pages a thread)"));

  record = four_ways();
  record.cells[1].peak_rss_bytes = std::nullopt;
  record.cells[1].unavailable["accuracy"] = "no tensor was converted";
  record.cells[1].unavailable["peak_rss_bytes"] = "clear_refs: Permission denied";
  CHECK(warnings(record) == std::vector<std::string>{"not known: peak_rss_bytes (clear_refs: Permission denied)."});
  for (const std::string& warning : warnings(record, true)) CHECK_THAT(warning, !ContainsSubstring("accuracy"));

  CHECK_THAT(warnings(sample::record()).at(0),
             ContainsSubstring("not measured: 1 of 5 ways. Run it again with: weighbridge run models/"));
}
