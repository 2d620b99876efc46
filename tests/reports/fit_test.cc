#include "reports/fit_table.h"

#include <algorithm>

#include "reports/aggregate.h"
#include "reports/printable.h"
#include "reports/warnings.h"
#include "tests/reports/sample.h"
#include "tests/support/catch.h"

using namespace weighbridge::reports;
using sample::kGiB;
using sample::kMiB;
using sample::lines;

namespace {

Record fitted() {
  Record record;
  record.machine = sample::machine();
  record.checkpoint = sample::checkpoint();
  record.fits = sample::fits();
  return record;
}

}  // namespace

TEST_CASE("a fit at 80 columns, word for word") {
  CHECK(render_fit(fitted(), {}) ==
        R"golden(The smallest limit: mmap native survives in 40.0 MiB, but is useful only from
   12.6 GiB (1.9x as long); stream:chunk=1MiB int8 needs 6.30 GiB; train.py f32
   has none that was found.

WAY                     PREDICTED  SURVIVES IN  TIME  USEFUL FROM  TIME
mmap native              32.7 MiB     40.0 MiB   42x     12.6 GiB  1.9x
   in 40.0 MiB: thrashed, 410,000 major faults, 35.1 GiB read again, stood still
     for 5 min 10 s of 7 min 0 s
   from 12.6 GiB: fits-reclaiming, 3,400 major faults, 203 MiB read again, stood
     still for 900 ms of 19.0 s
stream:chunk=1MiB int8   6.30 GiB     6.30 GiB  1.0x     6.30 GiB  1.0x
   in 6.30 GiB: fits, 1,200 major faults, 320 KiB read again, stood still for
     12 ms of 9.4 s
train.py f32                    -            -     -            -     -

not known of train.py f32: predicted_bytes (this way has no plan to predict
   from).
not known of train.py f32: survival, useful (it was stopped in every limit that
   was tried).
)golden");
  CHECK(render_terminal(fitted(), {}) == render_fit(fitted(), {}));  // as `report` renders a record of fit again
}

TEST_CASE("a fit's verdict in one line") {
  Record record = fitted();
  CHECK(render_fit(record, {80, false, false, -1}) ==
        "The smallest limit: mmap native survives in 40.0 MiB, but is useful only from 12.6 GiB (1.9x as long); "
        "stream:chunk=1MiB int8 needs 6.30 GiB; train.py f32 has none that was found.\n");
  CHECK(fit_line(Record{}) == "No way was fitted.");

  record.fits[0].useful = std::nullopt;
  CHECK(fit_line(record).starts_with(
      "The smallest limit: mmap native survives in 40.0 MiB, from where on it is useful is not known; stream"));
  record.fits[1].survival = std::nullopt;
  CHECK_THAT(fit_line(record), ContainsSubstring("; stream:chunk=1MiB int8 is useful from 6.30 GiB; "));
  record.fits = {sample::fits()[2]};
  CHECK(fit_line(record) == "The smallest limit: train.py f32 has none that was found.");

  // Of many ways the line has three, that which is useful in the least memory among them.
  record.fits = {sample::fits()[0], sample::fits()[0], sample::fits()[0], sample::fits()[0], sample::fits()[1]};
  CHECK_THAT(fit_line(record), ContainsSubstring("; stream:chunk=1MiB int8 needs 6.30 GiB; and 2 more ways."));
  record.fits[0].useful->slowdown = std::nullopt;
  CHECK_THAT(fit_line(record), ContainsSubstring("but is useful only from 12.6 GiB; mmap"));
}

TEST_CASE("a fit's table: the smallest limit first, every try with -v, reasons of what is shown") {
  Record record = fitted();
  std::swap(record.fits[0], record.fits[2]);
  const std::string normal = render_fit(record, {});
  CHECK(normal.find("mmap native     ") < normal.find("train.py f32    "));
  CHECK_THAT(normal, !ContainsSubstring("tried 16.0 MiB") && !ContainsSubstring("stall_ns"));
  const std::string all = render_fit(record, {200, false, false, 1});
  CHECK_THAT(all, ContainsSubstring("   tried 16.0 MiB: oom-killed\n") &&
                      ContainsSubstring("   tried 8.00 GiB: 9.8x as long, thrashed, 200,000 major faults") &&
                      ContainsSubstring("not known of mmap native, train.py f32: major_faults, refault_file_pages, "
                                        "slowdown, stall_ns (no trial ended by itself in some of the limits tried)."));

  record.fits[2].survival->stall_ns = std::nullopt;
  record.fits[2].survival->slowdown = std::nullopt;
  record.fits[2].unavailable["stall_ns"] = "no PSI here";
  record.fits[2].unavailable["slowdown"] = "the load without a limit did not end";
  const std::string unknown = render_fit(record, {200, false, false, 0});
  CHECK_THAT(unknown, ContainsSubstring("not known of mmap native: stall_ns (no PSI here).") &&
                          ContainsSubstring("slowdown (the load without a limit did not end)") &&
                          ContainsSubstring("in 40.0 MiB: thrashed, 410,000 major faults, 35.1 GiB read again\n"));
  CHECK_THAT(lines(unknown)[3], ContainsSubstring("40.0 MiB     -     12.6 GiB  1.9x"));
}

TEST_CASE("a fit in a watched cage, and one that was interrupted, say so") {
  Record record = fitted();
  record.settings.cage_reason = "no cgroup may be made here";
  record.settings.interrupted = true;
  record.settings.command = "weighbridge fit m.safetensors";
  CHECK(warnings(record) ==
        std::vector<std::string>{"the run was interrupted. Run it again with: weighbridge fit m.safetensors",
                                 "the limits were watched, not held: cache pressure and swap were not emulated (no "
                                 "cgroup may be made here)."});
  CHECK_THAT(render_fit(record, {}), ContainsSubstring("2 warnings:\n - the run was interrupted."));
}

TEST_CASE("a fit has room in every terminal, and its names cannot steer one") {
  Record record = fitted();
  record.fits[0].strategy = "\x1b[2Jmmap\n";
  record.fits[0].dtype =
      "f\xE2\x80\xAE"
      "16";
  record.fits[0].survival->verdict = "\a";
  record.fits[0].useful = std::nullopt;
  record.fits[0].unavailable["useful"] = "\x1b]0;title\a";
  for (const bool utf8 : {false, true}) {
    for (unsigned columns : {10u, 24u, 40u, 50u, 60u, 66u, 72u, 80u, 200u}) {
      for (const std::string& line : lines(render_fit(record, {columns, false, utf8, 1}))) {
        for (const unsigned char c : line) CHECK(c >= 0x20);
        const size_t word = line.find_first_not_of(' ');
        const std::string rest = word == std::string::npos ? "" : line.substr(word);
        const bool one_word = std::count(rest.begin(), rest.end(), ' ') < 2;  // or a figure and its unit
        INFO(columns << ": " << line);
        CHECK((columns_of(line) <= columns || one_word));
      }
    }
    CHECK(render_fit(record, {80, false, utf8, 0}).find("\xE2\x80\xAE") == std::string::npos);
  }
  const std::string coloured = render_fit(fitted(), {80, true, false, 0});
  CHECK_THAT(coloured, ContainsSubstring("\x1b[32mThe smallest limit") && ContainsSubstring("\x1b[1mWAY"));
  record.fits = {sample::fits()[2]};
  CHECK_THAT(render_fit(record, {80, true, false, 0}), ContainsSubstring("\x1b[31mThe smallest limit"));
}

TEST_CASE("a fit's plain form: a header, then a line of as many fields for each way") {
  Record record = fitted();
  record.fits[2].strategy = "a\tb";
  const auto all = lines(render_fit_plain(record));
  REQUIRE(all.size() == 4);
  for (const std::string& line : all) CHECK(std::count(line.begin(), line.end(), '\t') == 20);
  CHECK(all[0].starts_with("strategy\toptions\tdtype\tpredicted_bytes\tsurvival_limit_bytes\tsurvival_verdict\t"));
  CHECK(all[1] ==
        "mmap\t-\tnative\t34271232\t41943040\tthrashed\t42.5\t420000000000\t410000\t9200000\t310000000000\t1\t"
        "13497802752\tfits-reclaiming\t1.9\t19000000000\t3400\t52000\t900000000\t3\t4");
  CHECK_THAT(all[2], ContainsSubstring("stream\tchunk=1MiB\tint8\t"));
  CHECK(all[3] == "a\\tb\t-\tf32\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t1");
  CHECK(render_plain(record) == render_fit_plain(record));
}
