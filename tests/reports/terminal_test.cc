#include "reports/terminal.h"

#include <algorithm>
#include <string>
#include <vector>

#include "reports/aggregate.h"
#include "reports/evidence.h"
#include "reports/findings/findings.h"
#include "reports/printable.h"
#include "reports/summary.h"
#include "reports/verdict.h"
#include "reports/warnings.h"
#include "tests/reports/sample.h"
#include "tests/support/catch.h"

using namespace weighbridge::reports;
using sample::four_ways;
using sample::kGiB;
using sample::kMiB;
using sample::lines;
using sample::plan;

namespace {

const Bytes kStored = sample::checkpoint().bytes;

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
   mmap=True, weights_only=True) and model.load_state_dict(state, assign=True).
   In Transformers: from_pretrained(..., low_cpu_mem_usage=True), with a
   safetensors checkpoint, which is read tensor by tensor.
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
    for (const std::string& line : lines(render_terminal(record, style))) {
      const bool command = line.starts_with("  try   ");  // to be copied whole
      const size_t word = line.find_first_not_of(" -");
      const size_t space = line.find(' ', word);
      const bool one_word = word == std::string::npos || space == std::string::npos || is_figure(line.substr(word));
      INFO(columns << ": " << line);
      CHECK((columns_of(line) <= columns || command || one_word));
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

TEST_CASE("colour doubles the marks and changes no word") {
  const std::string plain = render_terminal(four_ways(), {});
  std::string coloured = render_terminal(four_ways(), {80, true, false, 0});
  CHECK_THAT(coloured, ContainsSubstring("\x1b[32m") && ContainsSubstring("\x1b[31m"));
  for (size_t at; (at = coloured.find('\x1b')) != std::string::npos;) {
    coloured.erase(at, coloured.find('m', at) - at + 1);
  }
  CHECK(coloured == plain);
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
