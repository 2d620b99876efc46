// write_sample FILE: the sample record as the program writes it, for the tests of its schema.
#include <cstdio>
#include <exception>

#include "reports/json.h"
#include "tests/reports/sample.h"

int main(int argc, char** argv) try {
  if (argc != 2) return 2;
  weighbridge::reports::write_record_file(argv[1], weighbridge::reports::sample::record());
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "write_sample: %s\n", error.what());
  return 1;
}
