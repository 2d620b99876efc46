// Runs a matrix in this process, with the tests' worker.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/run/matrix.h"
#include "tests/support/program.h"

namespace weighbridge::test {

inline MatrixRequest request_for(const std::string& model, std::vector<std::string> strategies,
                                 std::vector<std::string> dtypes = {"native"}) {
  MatrixRequest request;
  request.model = model;
  request.strategies = std::move(strategies);
  request.dtypes = std::move(dtypes);
  request.repeat = 1;
  request.seed = 1;
  request.worker.program = test_worker();
  return request;
}

inline reports::Record measure(const MatrixRequest& request) {
  MatrixEvents silent;
  return run_matrix(request, silent);
}

// |measured - truth| as a share of what is allowed: relative * truth + absolute. Below 1 is within.
inline double share_of_allowed(uint64_t measured, uint64_t truth, double relative, uint64_t absolute) {
  const double difference =
      measured > truth ? static_cast<double>(measured - truth) : static_cast<double>(truth - measured);
  return difference / (relative * static_cast<double>(truth) + static_cast<double>(absolute));
}

}  // namespace weighbridge::test
