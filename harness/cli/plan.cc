// weighbridge plan: what each cell will need, without loading anything.
#include <algorithm>
#include <optional>

#include "harness/cli/console.h"
#include "harness/cli/matrix_options.h"
#include "harness/cli/verb.h"
#include "harness/run/interrupt.h"
#include "reports/aggregate.h"
#include "reports/json.h"
#include "reports/summary.h"
#include "reports/terminal.h"
#include "reports/verdict.h"
#include "reports/what_if.h"
#include "strategies/error.h"
#include "strategies/strategy.h"

namespace weighbridge::cli {
namespace {

class Plan : public Verb {
 public:
  const char* name() const override { return "plan"; }
  const char* summary() const override { return "predict the need of every strategy and dtype without loading"; }
  const char* examples() const override {
    return "  weighbridge plan model.safetensors\n"
           "  weighbridge plan model.safetensors --limit 8GiB --dtype native,f16";
  }

  void define(CLI::App& app) override {
    matrix_.define(app);
    app.add_option("--limit", limit_, "compare with this many bytes instead of this machine's limit")
        ->type_name("8GiB");
    app.add_flag("--json", json_, "print a record with predicted cells");
  }

  int run() override {
    const std::optional<uint64_t> limit = limit_.empty() ? std::nullopt : std::optional(parse_bytes(limit_, "--limit"));
    catch_interrupts();
    std::vector<std::string> notes;
    MatrixRequest request = matrix_.request();
    request.with_others = true;
    Planned planned = plan_matrix(request, notes);
    reports::Record& record = planned.record;
    // Alone: the question is about another machine.
    if (limit) record.machine.limits = {{reports::kAskedLimit, *limit}};
    for (reports::Cell& cell : record.cells) {
      cell.verdict = reports::verdict::not_run;
      cell.reason = "predicted, not measured";
      reports::aggregate(cell, record.machine.error_bytes);
    }
    record.what_if = reports::what_if(record, planned.others);
    // As run ends: 1 where nothing is going to fit. A way without a prediction may.
    const bool any_fits = std::any_of(record.cells.begin(), record.cells.end(), [&](const reports::Cell& cell) {
      return !cell.predicted || reports::fits_in(record, cell);
    });
    if (json_) {
      reports::write_record(stdout, record);
      return any_fits ? kDone : kNothingFits;
    }
    std::string text = reports::render_plan(record, stdout_style(0));
    for (const std::string& note : notes) text += note + "\n";
    print(text);
    return any_fits ? kDone : kNothingFits;
  }

 private:
  MatrixOptions matrix_;
  std::string limit_;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Verb> make_plan() {
  return std::make_unique<Plan>();
}

}  // namespace weighbridge::cli
