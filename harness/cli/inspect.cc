// weighbridge inspect: what a checkpoint holds. A worker reads it and prints the table.
#include <unistd.h>

#include "harness/cli/console.h"
#include "harness/cli/matrix_options.h"
#include "harness/cli/progress.h"
#include "harness/cli/verb.h"
#include "harness/run/interrupt.h"
#include "harness/run/worker_process.h"

namespace weighbridge::cli {
namespace {

class Inspect : public Verb {
 public:
  const char* name() const override { return "inspect"; }
  const char* summary() const override {
    return "what a checkpoint is made of: roles, layers, tensors, and what its values say";
  }
  const char* examples() const override {
    return "  weighbridge inspect model.safetensors\n"
           "  weighbridge inspect model.safetensors --json | jq '.tensors | length'\n"
           "  weighbridge inspect model.safetensors --values\n"
           "  weighbridge inspect model.gguf --sha256";
  }
  void define(CLI::App& app) override {
    app.add_option("MODEL", job_.model, "a checkpoint file, index or folder")->required();
    app.add_flag("--json", job_.json, "print JSON");
    app.add_flag("--tensors", job_.tensors, "list every tensor, however many there are");
    app.add_flag("--values", job_.values,
                 "read every value once: zeros, NaN, duplicates, and what a narrower dtype would hold exactly");
    app.add_flag("--sha256", job_.sha256, "read every tensor and print a digest of its elements, as stored");
  }
  int run() override {
    catch_interrupts();
    job_.mode = "inspect";
    WorkerSettings settings;
    settings.program = worker_program();
    job_.columns = stdout_style(0).columns;
    // On a terminal the rows of digests themselves show how far it is.
    const bool digests_only = job_.sha256 && !job_.values;
    const bool silent = (!job_.sha256 && !job_.values) || (digests_only && isatty(STDOUT_FILENO) != 0);
    Progress progress(silent ? Progress::Loudness::quiet : Progress::Loudness::normal);
    run_job(job_, settings, [&](const SharedPage& page) {
      const uint64_t done = page.bytes_used, total = page.bytes_to_use;
      if (done < total) {
        progress.work(digests_only ? "digesting" : "reading values", done, total);
      } else {
        progress.finish();
      }
    });
    return kDone;
  }

 private:
  Job job_;
};

}  // namespace

std::unique_ptr<Verb> make_inspect() {
  return std::make_unique<Inspect>();
}

}  // namespace weighbridge::cli
