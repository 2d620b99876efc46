// weighbridge run: measure the matrix, write record and report.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <optional>
#include <random>
#include <system_error>

#include "harness/cli/cage_options.h"
#include "harness/cli/console.h"
#include "harness/cli/matrix_options.h"
#include "harness/cli/output.h"
#include "harness/cli/progress.h"
#include "harness/cli/verb.h"
#include "harness/run/interrupt.h"
#include "harness/run/journal.h"
#include "reports/json.h"
#include "reports/printable.h"
#include "reports/verdict.h"
#include "strategies/error.h"

namespace weighbridge::cli {
namespace {

// A run that was cut short left its journal, and this one will not go on with it: it is put aside, not written over.
void keep_earlier(const std::string& journal) {
  if (access(journal.c_str(), F_OK) != 0) return;
  const std::string aside = journal + ".old";
  Journal::put_aside(journal, aside);
  complain("an earlier run in this folder was cut short; what it had measured is in " + aside +
           " (--resume would have gone on with it)");
}

uint64_t parse_seed(const std::string& text) {
  uint64_t seed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw Error(ErrorKind::usage, "--seed takes a whole number below 2^64, not '" + printable(text) + "'");
  }
  return seed;
}

class Run : public Verb {
 public:
  const char* name() const override { return "run"; }
  const char* summary() const override { return "measure every strategy and dtype, write record.json and report.html"; }
  const char* examples() const override {
    return "  weighbridge run model.safetensors --out out\n"
           "  weighbridge run ./llama-folder --strategy stream:chunk=1MiB,mmap --dtype native,f16 --repeat 5\n"
           "  weighbridge run model.safetensors --limit 4GiB,8GiB,none\n"
           "  weighbridge run model.safetensors --cache cold,warm --json > record.json";
  }

  void define(CLI::App& app) override {
    matrix_.define(app);
    cage_.define_limits(app);
    cage_.define(app, "no limit");
    app.add_option("--cache", caches_,
                   "state of the page cache before each trial: warm, cold, or both; in a limit warm means read once "
                   "inside it [warm, in a limit cold]")
        ->type_name("warm,cold")
        ->allow_extra_args(false);  // or the model that follows would be taken for another
    app.add_option("--repeat", repeat_, "trials of each cell")->check(CLI::Range(1, 10000))->capture_default_str();
    app.add_option("--seed", seed_, "of the trials' order [random, printed]")->type_name("N");
    app.add_option("--thp", matrix_.thp, "transparent huge pages in the worker")
        ->check(CLI::IsMember({"off", "inherit"}))
        ->capture_default_str();
    app.add_option("--sample-rate", sample_rate_,
                   "samples a second of the timeline; 0 turns it off, figures stay exact")
        ->check(CLI::Range(0, 1000))
        ->capture_default_str();
    app.add_option("--timeout", timeout_, "seconds after which a trial is ended, verdict timed-out [none]")
        ->type_name("SECONDS");
    app.add_flag("--resume", resume_,
                 "go on with a run of the same arguments that was cut short, from the journal in --out");
    app.add_option("--out", out_, "folder for record.json and report.html")->capture_default_str();
    auto* json = app.add_flag("--json", json_, "print the record on standard output instead of the table");
    auto* plain = app.add_flag("--plain", plain_, "print the table tab-separated")->excludes(json);
    app.add_flag("--quiet,-q", quiet_, "print the verdict alone")->excludes(json)->excludes(plain);
    app.add_flag("--verbose,-v", verbose_, "a line for each trial");
  }

  int run() override {
    MatrixRequest request = matrix_.request();
    request.repeat = repeat_;
    request.seed = seed_ ? parse_seed(*seed_) : std::random_device{}();
    request.sample_interval_ns = sample_rate_ == 0 ? 0 : 1'000'000'000u / static_cast<uint64_t>(sample_rate_);
    if (timeout_) request.timeout_ns = timeout_ns(*timeout_);
    if (!caches_.empty()) request.caches = split_list(caches_);
    if (request.caches.empty() && !caches_.empty()) {
      throw Error(ErrorKind::usage, "--cache takes warm, cold or warm,cold");
    }
    cage_.apply(request);
    if (!cage_.limits.empty()) find_room_for_cages(request);
    request.resume = resume_;
    request.journal = out_ + "/journal.jsonl";
    for (const std::string& cache : request.caches) {
      if (cache != "warm" && cache != "cold") {
        throw Error(ErrorKind::usage, "--cache takes warm, cold or warm,cold, not '" + printable(cache) + "'");
      }
    }
    request.command = command(request);
    prepare_folder(out_);
    if (!resume_) keep_earlier(request.journal);

    catch_interrupts();
    Progress progress(quiet_     ? Progress::Loudness::quiet
                      : verbose_ ? Progress::Loudness::trials
                                 : Progress::Loudness::normal);
    const reports::Record record = run_matrix(request, progress);
    progress.finish();

    bool written = write_record_into(out_, record);
    if (written && !record.settings.interrupted) unlink(request.journal.c_str());  // all of it is in the record now
    if (!written) complain("what was measured is in " + request.journal + ": --resume writes it once there is room");
    written = write_report_into(out_, record) && written;
    try {
      show(record);
    } catch (const BrokenPipe&) {
      throw;
    } catch (const std::system_error& error) {
      if (error.code().value() == EPIPE) throw BrokenPipe();
      complain(error.what());
      written = false;
    } catch (const std::exception& error) {
      complain(error.what());
      written = false;
    }
    if (!written) return kEnvironment;
    if (record.settings.interrupted) {
      complain("interrupted: what was measured is in " + out_ + "/record.json; --resume goes on with it");
      return kInterrupted;
    }
    const bool any_fits = std::any_of(record.cells.begin(), record.cells.end(),
                                      [](const reports::Cell& cell) { return reports::does_fit(cell.verdict); });
    return any_fits ? kDone : kNothingFits;
  }

 private:
  void show(const reports::Record& record) const {
    if (json_) {
      reports::write_record(stdout, record);
    } else if (plain_) {
      print(reports::render_plain(record));
    } else if (quiet_) {
      print(reports::render_verdict(record, stdout_style(-1)));
    } else {
      print(reports::render_terminal(record, stdout_style(verbose_ ? 1 : 0)) + "report  " +
            printable(out_ + "/report.html", 4096) + "      record  " + printable(out_ + "/record.json", 4096) + "\n");
    }
  }

  // The command line that does the same again, with the seed that was drawn.
  std::string command(const MatrixRequest& request) const {
    std::string text = "weighbridge run " + reports::shell_quoted_path(matrix_.model);
    const auto list = [&](const char* option, const std::vector<std::string>& items) {
      if (items.empty()) return;
      text += std::string(" ") + option + " ";
      text += reports::shell_quoted(fmt::format("{}", fmt::join(items, ",")));
    };
    for (const std::string& plugin : request.plugins) text += " --plugin " + reports::shell_quoted(plugin);
    list("--strategy", request.strategies);
    list("--dtype", request.dtypes);
    list("--cache", request.caches);
    list("--limit", split_list(cage_.limits));
    if (!cage_.swap_limit.empty()) text += " --swap-limit " + reports::shell_quoted(cage_.swap_limit);
    if (!cage_.reserve.empty()) text += " --reserve " + reports::shell_quoted(cage_.reserve);
    text += " --repeat " + std::to_string(request.repeat) + " --passes " + std::to_string(request.passes) + " --seed " +
            std::to_string(request.seed) + " --thp " + matrix_.thp + " --sample-rate " + std::to_string(sample_rate_) +
            (timeout_ ? fmt::format(" --timeout {}", *timeout_) : "");
    return text;
  }

  MatrixOptions matrix_;
  CageOptions cage_;
  std::vector<std::string> caches_;
  int repeat_ = 3, sample_rate_ = 1000;
  std::optional<std::string> seed_;
  std::optional<double> timeout_;
  std::string out_ = "out";
  bool json_ = false, plain_ = false, quiet_ = false, verbose_ = false, resume_ = false;
};

}  // namespace

std::unique_ptr<Verb> make_run() {
  return std::make_unique<Run>();
}

}  // namespace weighbridge::cli
