// weighbridge-worker with the tests' strategies added.
#include "harness/worker/worker.h"
#include "tests/support/test_strategies.h"

int main() {
  weighbridge::test::add_test_strategies();
  return weighbridge::worker_main();
}
