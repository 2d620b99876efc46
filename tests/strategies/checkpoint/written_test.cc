// Files that an independent program wrote on the spot: Python with struct and json, numpy, h5py, torch or onnx. Each script
// prints what it wrote, tensor by tensor; all of it must be read, and nothing else.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "strategies/checkpoint/digest.h"
#include "tests/strategies/checkpoint/fixture.h"

using namespace weighbridge;
using namespace weighbridge::testing;

TEST_CASE("what Python's own libraries wrote is read tensor by tensor as it was written") {
  for (const FormatInfo& format : formats()) {
    const TemporaryFolder folder;
    const std::string command =
        fmt::format("/usr/bin/python3 '{}/tests/strategies/checkpoint/write_{}.py' '{}' > '{}' 2> '{}'",
                    WEIGHBRIDGE_SOURCE_DIR, format.name, folder.path(), folder / "listing", folder / "complaint");
    if (std::system(command.c_str()) != 0) {
      std::istringstream said(content_of(folder / "complaint"));
      std::string line, last;
      while (std::getline(said, line)) last = line.empty() ? last : line;
      CHECK_THAT(last, ContainsSubstring("No module named") || ContainsSubstring("not found"));
      std::cout << fmt::format("skipped: {} files of an independent writer: {}\n", format.name, last);
      continue;
    }
    std::map<std::string, std::map<std::string, nlohmann::json>> written;  // file -> tensor -> its line
    std::istringstream listing(content_of(folder / "listing"));
    for (std::string line; std::getline(listing, line);) {
      nlohmann::json tensor = nlohmann::json::parse(line);
      written[tensor[0]][tensor[1]] = tensor;
    }
    CHECK(!written.empty());
    for (const auto& [file, tensors] : written) {
      INFO(format.name << ": " << file);
      const Checkpoint checkpoint = open_checkpoint(folder / file);
      CHECK(checkpoint.format == format.name);
      CHECK_NOTHROW(verify_checksums(checkpoint));
      TensorReader reader(checkpoint);
      for (uint32_t index = 0; index < checkpoint.tensors.size(); ++index) {
        const Tensor& tensor = checkpoint.tensors[index];
        INFO(tensor.name);
        const auto expected = tensors.find(tensor.name);
        REQUIRE(expected != tensors.end());
        CHECK(name(tensor.dtype) == expected->second[2].get<std::string>());
        CHECK(tensor.shape == expected->second[3].get<std::vector<uint64_t>>());
        CHECK(sha256_of(checkpoint, reader, index) == expected->second[4].get<std::string>());
      }
      CHECK(checkpoint.tensors.size() == tensors.size());
    }
  }
}
