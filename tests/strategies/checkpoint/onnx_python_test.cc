// Models that the onnx package writes, held against what its numpy_helper reads out of them.
#include <fmt/format.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "strategies/checkpoint/digest.h"
#include "tests/strategies/checkpoint/fixture.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

// What tells an initializer from others of the same name in other graphs.
std::string identity(std::string_view name, std::string_view dtype, const std::vector<uint64_t>& shape,
                     std::string_view digest) {
  return fmt::format("{} {} [{}] {}", name, dtype, fmt::join(shape, ","), digest);
}

}  // namespace

TEST_CASE("models of the onnx package are read as it reads them itself") {
  TemporaryFolder folder;
  REQUIRE(std::system(fmt::format("/usr/bin/python3 '{}/tests/strategies/checkpoint/write_onnx.py' '{}' > '{}'",
                                  WEIGHBRIDGE_SOURCE_DIR, folder.path(), folder / "listing")
                          .c_str()) == 0);
  std::istringstream listing(content_of(folder / "listing"));
  std::map<std::string, std::multiset<std::string>> expected;
  size_t tensors = 0;
  for (std::string line; std::getline(listing, line); ++tensors) {
    if (line.starts_with("skipped: ")) {
      std::cout << line << ": no model of the onnx package was read\n";
      return;
    }
    const nlohmann::json entry = nlohmann::json::parse(line);
    expected[entry[0]].insert(identity(entry[1].get<std::string>(), entry[2].get<std::string>(),
                                       entry[3].get<std::vector<uint64_t>>(), entry[4].get<std::string>()));
  }
  CHECK(expected.size() == 7);
  CHECK(tensors == 229);
  for (const auto& [file, wanted] : expected) {
    INFO(file);
    const Checkpoint checkpoint = open_checkpoint(folder / file);
    TensorReader reader(checkpoint);
    std::multiset<std::string> found;
    for (uint32_t i = 0; i < checkpoint.tensors.size(); ++i) {
      const Tensor& tensor = checkpoint.tensors[i];
      found.insert(identity(tensor.name, name(tensor.dtype), tensor.shape, sha256_of(checkpoint, reader, i)));
    }
    CHECK(found == wanted);
  }
}
