// Files that an independent program wrote on the spot: Python with struct and json, numpy, h5py, torch or onnx. Each
// script prints what it wrote, tensor by tensor; all of it must be read, and nothing else.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>

#include "strategies/checkpoint/digest.h"
#include "tests/strategies/checkpoint/fixture.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

// A name may stand for several tensors: those of ONNX' subgraphs.
std::string identity(std::string_view name, std::string_view dtype, const std::vector<uint64_t>& shape,
                     std::string_view digest) {
  return fmt::format("{} {} [{}] {}", name, dtype, fmt::join(shape, ","), digest);
}

}  // namespace

TEST_CASE("what Python's own libraries wrote is read tensor by tensor as it was written") {
  for (const FormatInfo& format : formats()) {
    const TemporaryFolder folder;
    const std::optional<std::string> said = written_by(format.name, folder);
    if (!said) continue;
    std::map<std::string, std::multiset<std::string>> written;  // by file
    std::istringstream listing(*said);
    for (std::string line; std::getline(listing, line);) {
      const nlohmann::json tensor = nlohmann::json::parse(line);
      written[tensor[0]].insert(identity(tensor[1].get<std::string>(), tensor[2].get<std::string>(),
                                         tensor[3].get<std::vector<uint64_t>>(), tensor[4].get<std::string>()));
    }
    CHECK(!written.empty());
    for (const auto& [file, tensors] : written) {
      INFO(format.name << ": " << file);
      const Checkpoint checkpoint = open_checkpoint(folder / file);
      CHECK(checkpoint.format == format.name);
      CHECK_NOTHROW(verify_checksums(checkpoint));
      TensorReader reader(checkpoint);
      std::multiset<std::string> read;
      for (uint32_t index = 0; index < checkpoint.tensors.size(); ++index) {
        const Tensor& tensor = checkpoint.tensors[index];
        read.insert(identity(tensor.name, name(tensor.dtype), tensor.shape, sha256_of(checkpoint, reader, index)));
      }
      CHECK(read == tensors);
    }
  }
}
