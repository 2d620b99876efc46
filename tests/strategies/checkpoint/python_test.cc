#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "strategies/checkpoint/reader.h"
#include "strategies/checkpoint/safetensors.h"
#include "tests/strategies/checkpoint/fixture.h"

using namespace weighbridge;
using namespace weighbridge::testing;

TEST_CASE("a file that Python wrote with struct and json is read tensor by tensor as it was written") {
  if (std::system("python3 -c '' >/dev/null 2>&1") != 0) {
    std::cout << "no python3: its safetensors file was not tested\n";
    return;
  }
  TemporaryFolder folder;
  const std::string path = folder / "python.safetensors";
  REQUIRE(
      std::system(
          fmt::format("PYTHONIOENCODING=utf-8 python3 '{}/tests/strategies/checkpoint/write_fixture.py' '{}' > '{}'",
                      WEIGHBRIDGE_SOURCE_DIR, path, folder / "listing")
              .c_str()) == 0);
  const Checkpoint checkpoint = open_checkpoint(path);
  std::map<std::string, const Tensor*> by_name;
  for (const Tensor& tensor : checkpoint.tensors) by_name[tensor.name] = &tensor;
  const File file(path);
  std::istringstream listing(content_of(folder / "listing"));
  size_t lines = 0;
  for (std::string line; std::getline(listing, line); ++lines) {
    INFO(line);
    const nlohmann::json expected = nlohmann::json::parse(line);
    REQUIRE(by_name.contains(expected[0].get<std::string>()));
    const Tensor& tensor = *by_name.at(expected[0].get<std::string>());
    CHECK(safetensors_name(tensor.dtype) == expected[1].get<std::string>());
    CHECK(tensor.shape == expected[2].get<std::vector<uint64_t>>());
    CHECK(tensor.extent.offset == expected[3].get<uint64_t>());
    std::string hex;
    for (const char byte : file.peek(tensor.extent.offset, tensor.extent.bytes)) {
      hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    }
    CHECK(hex == expected[4].get<std::string>());
  }
  CHECK(lines == 9);
  CHECK(checkpoint.tensors.size() == lines);
}
