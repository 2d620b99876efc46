// The rows as a table of 80 columns on a terminal, each as soon as it is done, and the verdict at the end.
#pragma once

#include <benchmark/benchmark.h>

#include <set>
#include <string>
#include <vector>

#include "tests/bench/rows.h"

namespace weighbridge::bench {

class Table : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& context) override;
  void ReportRuns(const std::vector<Run>& runs) override;
  void Finalize() override;

 private:
  std::string heading_;
  std::set<const Row*> printed_;  // Google Benchmark reports repetitions and aggregates one after the other
};

// How many bars were held, missed, not decided, not tested; printed as the last line. True: none was missed.
bool print_verdict();

}  // namespace weighbridge::bench
