#include "strategies/values/sparse.h"

#include <vector>

#include "tests/support/catch.h"

namespace weighbridge::test {
namespace {

SparseBytes of(const std::vector<uint64_t>& shape, uint64_t nonzero, uint64_t value_bytes) {
  uint64_t elements = 1;
  for (const uint64_t dimension : shape) elements *= dimension;
  return sparse_bytes(shape, elements, nonzero, value_bytes);
}

TEST_CASE("CSR has a value and an index for each, and a pointer a row; the bitmap a bit an element") {
  CHECK(of({100, 50}, 7, 4).csr == 7u * 8 + 101 * 4);
  CHECK(of({100, 50}, 7, 4).bitmap == 7u * 4 + 625);
  CHECK(of({3, 3}, 0, 2).bitmap == 2u);
  CHECK(of({10, 2, 3}, 5, 2).csr == 5u * 6 + 11 * 4);
  CHECK(of({60}, 5, 2).csr == 5u * 6 + 2 * 4);
  CHECK(of({}, 1, 2).csr == 6u + 8);
  CHECK(of({0, 5}, 0, 4).csr == 4u);
}

TEST_CASE("CSR is smaller where little is left, the bitmap where more is") {
  CHECK(of({1000, 1000}, 1000, 4).is_csr());
  CHECK_FALSE(of({1000, 1000}, 500000, 4).is_csr());
  CHECK(of({1000, 1000}, 500000, 4).smaller() == 2000000u + 125000);
}

TEST_CASE("pointers have 64 bits from 2^31 values on, and a row beyond 32-bit indices has no CSR") {
  const std::vector<uint64_t> shape{1u << 16, 1u << 16};
  const uint64_t reach = uint64_t{1} << 31;
  CHECK(of(shape, reach - 1, 4).csr == (reach - 1) * 8 + ((1u << 16) + 1) * 4);
  CHECK(of(shape, reach, 4).csr == reach * 8 + ((1u << 16) + 1) * 8);
  CHECK_FALSE(of({reach}, 1, 4).csr);
  CHECK_FALSE(of({reach}, 1, 4).is_csr());
  CHECK(of({reach}, 1, 4).smaller() == 4 + reach / 8);
  CHECK_FALSE(of({uint64_t{1} << 62, 1}, uint64_t{1} << 62, 1).csr);  // beyond 64 bits
}

}  // namespace
}  // namespace weighbridge::test
