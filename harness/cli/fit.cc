// weighbridge fit: the smallest limit in which each way of loading still loads.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <random>

#include "harness/cli/cage_options.h"
#include "harness/cli/console.h"
#include "harness/cli/matrix_options.h"
#include "harness/cli/output.h"
#include "harness/cli/progress.h"
#include "harness/cli/verb.h"
#include "harness/run/fit.h"
#include "harness/run/interrupt.h"
#include "reports/fit_table.h"
#include "reports/json.h"
#include "reports/printable.h"
#include "strategies/error.h"
#include "strategies/strategy.h"

namespace weighbridge::cli {
namespace {

class Fit : public Verb {
 public:
  const char* name() const override { return "fit"; }
  const char* summary() const override { return "find the smallest memory limit in which each way still loads"; }
  const char* examples() const override {
    return "  weighbridge fit model.safetensors\n"
           "  weighbridge fit model.safetensors --strategy eager,mmap --dtype native --tolerance 4MiB --slowdown 1.5";
  }

  void define(CLI::App& app) override {
    matrix_.define(app);
    cage_.define(app, "none");
    app.add_option("--tolerance", tolerance_, "how near to the smallest limit [1 % of the need, 1 MiB to 16 MiB]")
        ->type_name("SIZE");
    app.add_option("--slowdown", slowdown_, "a limit is useful while a load takes at most this many times as long")
        ->check(CLI::Range(1.01, 1000.0))
        ->capture_default_str();
    app.add_option("--repeat", repeat_, "loads that measure the load without a limit, and confirm what was found")
        ->check(CLI::Range(1, 100))
        ->capture_default_str();
    app.add_option("--timeout", timeout_,
                   "seconds after which a load counts as one that did not survive [60 times the load without a limit]")
        ->type_name("SECONDS");
    app.add_option("--out", out_, "folder for record.json and report.html [none is written]");
    auto* json = app.add_flag("--json", json_, "print the record on standard output instead of the table");
    app.add_flag("--plain", plain_, "print the table tab-separated")->excludes(json);
    app.add_flag("--verbose,-v", verbose_, "a line for each limit tried");
  }

  int run() override {
    FitRequest request;
    request.matrix = matrix_.request();
    cage_.apply(request.matrix, true);
    request.matrix.repeat = repeat_;
    request.matrix.seed = std::random_device{}();
    request.matrix.sample_interval_ns = 0;  // the figures stay exact, and nothing but the load is timed
    if (timeout_) request.matrix.timeout_ns = timeout_ns(*timeout_);
    if (!tolerance_.empty()) {
      request.tolerance_bytes = parse_bytes(tolerance_, "--tolerance");
      if (*request.tolerance_bytes < 4096) throw Error(ErrorKind::usage, "--tolerance: at least a page of 4096 bytes");
    }
    request.slowdown = slowdown_;
    request.matrix.command = command(request);
    find_room_for_cages(request.matrix);
    if (!out_.empty()) prepare_folder(out_);

    catch_interrupts();
    Progress progress(verbose_ ? Progress::Loudness::trials : Progress::Loudness::normal);
    const reports::Record record = run_fit(request, progress);
    progress.finish();

    bool written = true;
    if (!out_.empty()) {
      written = write_record_into(out_, record);
      written = write_report_into(out_, record) && written;
    }
    if (json_) {
      reports::write_record(stdout, record);
    } else if (plain_) {
      print(reports::render_fit_plain(record));
    } else {
      print(reports::render_fit(record, stdout_style(0)));
    }
    if (!written) return kEnvironment;
    if (record.settings.interrupted) {
      complain("interrupted: what was found before is shown");
      return kInterrupted;
    }
    const bool any = std::any_of(record.fits.begin(), record.fits.end(),
                                 [](const reports::Fit& fit) { return fit.survival.has_value(); });
    return any ? kDone : kNothingFits;
  }

 private:
  // The command line that does the same again.
  std::string command(const FitRequest& request) const {
    std::string text = "weighbridge fit " + reports::shell_quoted_path(matrix_.model);
    const auto option = [&](const char* name, const std::string& value) {
      if (!value.empty()) text += std::string(" ") + name + " " + reports::shell_quoted(value);
    };
    for (const std::string& plugin : request.matrix.plugins) option("--plugin", plugin);
    option("--strategy", fmt::format("{}", fmt::join(request.matrix.strategies, ",")));
    option("--dtype", fmt::format("{}", fmt::join(request.matrix.dtypes, ",")));
    option("--swap-limit", cage_.swap_limit);
    option("--reserve", cage_.reserve);
    option("--tolerance", tolerance_);
    option("--timeout", timeout_ ? fmt::format("{}", *timeout_) : "");
    return text + fmt::format(" --passes {} --slowdown {} --repeat {}", request.matrix.passes, slowdown_, repeat_);
  }

  MatrixOptions matrix_;
  CageOptions cage_;
  std::string tolerance_, out_;
  double slowdown_ = 2;
  int repeat_ = 3;
  std::optional<double> timeout_;
  bool json_ = false, plain_ = false, verbose_ = false;
};

}  // namespace

std::unique_ptr<Verb> make_fit() {
  return std::make_unique<Fit>();
}

}  // namespace weighbridge::cli
