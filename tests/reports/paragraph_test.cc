#include "reports/paragraph.h"

#include "tests/support/catch.h"

using namespace weighbridge::reports;

TEST_CASE("a figure stays with its unit, a long word stays whole") {
  CHECK(paragraph("it needs 6.71 GiB now", 13, "", "  ") == "it needs\n  6.71 GiB\n  now\n");
  CHECK(paragraph("a torch.set_default_dtype b", 10, " - ", "   ") == " - a\n   torch.set_default_dtype\n   b\n");
  CHECK(paragraph("one.  Two", 80, "", "") == "one.  Two\n");
  CHECK(paragraph("", 80, "x", "") == "x\n");
}
