// weighbridge report: render a record again.
#include "harness/cli/console.h"
#include "harness/cli/verb.h"
#include "reports/fit_table.h"
#include "reports/html/html.h"
#include "reports/json.h"

namespace weighbridge::cli {
namespace {

class Report : public Verb {
 public:
  const char* name() const override { return "report"; }
  const char* summary() const override { return "render a record again: on the terminal, or as HTML"; }
  const char* examples() const override {
    return "  weighbridge report out/record.json\n"
           "  weighbridge report out/record.json --html report.html";
  }
  void define(CLI::App& app) override {
    app.add_option("RECORD", record_, "a record.json")->required();
    app.add_option("--html", html_, "write the HTML report to this file")->type_name("FILE");
    app.add_flag("--plain", plain_, "print the table tab-separated");
  }
  int run() override {
    const reports::Record record = reports::read_record(record_);
    if (!html_.empty()) {
      reports::write_html_file(html_, record);
      return kDone;
    }
    if (record.fits.empty()) {
      print(plain_ ? reports::render_plain(record) : reports::render_terminal(record, stdout_style(0)));
    } else {
      print(plain_ ? reports::render_fit_plain(record) : reports::render_fit(record, stdout_style(0)));
    }
    return kDone;
  }

 private:
  std::string record_, html_;
  bool plain_ = false;
};

}  // namespace

std::unique_ptr<Verb> make_report() {
  return std::make_unique<Report>();
}

}  // namespace weighbridge::cli
