// Google Benchmark's JSON with the heap's figures as they were measured.
//
// Its runner keeps them in a vector and hands out pointers into it, which the next repetition's push_back invalidates
// (seen in 1.7.1: max_bytes_used of 7e18): so a row's runs get its own figures before they are written.
#pragma once

#include <benchmark/benchmark.h>

#include <vector>

namespace weighbridge::bench {

class JsonFile : public benchmark::JSONReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override;
};

}  // namespace weighbridge::bench
