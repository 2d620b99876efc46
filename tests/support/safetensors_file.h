// A safetensors file of tensors and values that a test chooses.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace weighbridge::test {

class SafetensorsFile {
 public:
  template <class Element>
  SafetensorsFile& add(const std::string& name, const std::string& dtype, const std::vector<uint64_t>& shape,
                       const std::vector<Element>& values) {
    const size_t begin = data_.size();
    data_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Element));
    header_ += (header_.empty() ? "" : ",") + nlohmann::json(name).dump() + ":" +
               nlohmann::json({{"dtype", dtype}, {"shape", shape}, {"data_offsets", {begin, data_.size()}}}).dump();
    return *this;
  }
  SafetensorsFile& floats(const std::string& name, const std::vector<uint64_t>& shape,
                          const std::vector<float>& values) {
    return add(name, "F32", shape, values);
  }

  void write(const std::string& path) const {
    const std::string header = "{" + header_ + "}";
    const uint64_t length = header.size();
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(&length), sizeof length);
    file << header << data_;
  }

 private:
  std::string header_, data_;
};

}  // namespace weighbridge::test
