// Writes the sample records as reports into a folder, for the browser test and for looking at them.
#include <cstdio>
#include <exception>
#include <string>

#include "reports/html/html.h"
#include "tests/reports/html/sample_record.h"

int main(int argc, char** argv) {
  using namespace weighbridge::reports;
  if (argc != 2) {
    std::fputs("usage: html_samples FOLDER\n", stderr);
    return 2;
  }
  try {
    const std::string folder = argv[1];
    write_html_file(folder + "/gpt2.html", gpt2_record());
    write_html_file(folder + "/troubled.html", troubled_record());
    write_html_file(folder + "/hostile.html", hostile_record());
    write_html_file(folder + "/limits.html", limits_record());
    write_html_file(folder + "/fit.html", fit_record());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "html_samples: %s\n", error.what());
    return 1;
  }
}
