#include "reports/bar.h"

#include <string>

#include "reports/printable.h"
#include "tests/reports/sample.h"
#include "tests/support/catch.h"

using namespace weighbridge::reports;

namespace {

std::string bar(Bytes need, Bytes cache, Figure limit, unsigned columns = 20, bool utf8 = false) {
  return draw({need, cache, limit, 100, columns, utf8});
}

}  // namespace

TEST_CASE("bars: the limit stands still, what passes it is seen, and nothing is drawn as nothing") {
  CHECK(bar(0, 0, 100) == "[---------------|  ]");
  CHECK(bar(1, 0, 100) == "[#--------------|  ]");
  CHECK(bar(50, 20, 100) == "[########+++----|  ]");
  CHECK(bar(50, 5000, 100) == "[########+++++++|  ]");
  CHECK(bar(99, 0, 100) == "[##############-|  ]");
  CHECK(bar(100, 0, 100) == "[###############|  ]");
  CHECK(bar(101, 0, 100) == "[###############|# ]");
  CHECK(bar(100000, 7, 100) == "[###############|##]");
  CHECK(bar(~Bytes{0}, ~Bytes{0}, 1) == "[###############|##]");
  CHECK(bar(50, 0, std::nullopt) == "[#########---------]");
  CHECK(bar(0, 0, 0) == "[---------------|  ]");
  CHECK(bar(50, 20, 100, 20, true) == "[███████▌▒▒▒····┃  ]");
  CHECK(bar(1, 0, 100, 20, true) == "[▏··············┃  ]");
  for (Bytes need = 0; need < 130; ++need) {
    for (unsigned columns : {8u, 9u, 12u, 33u}) {
      CHECK(columns_of(bar(need, need / 3, 100, columns)) == columns);
      CHECK(columns_of(bar(need, need / 3, 100, columns, true)) == columns);
      CHECK(columns_of(bar(need, need / 3, std::nullopt, columns, true)) == columns);
    }
  }
}
