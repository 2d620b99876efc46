// What a person should know of a torch checkpoint beside its tensors, gathered while they are listed: code that it asks
// to run, tensors that are left out, an optimizer's state, whole modules, storages that are larger than what is used.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/checkpoint/pytorch/torch_tensor.h"

namespace weighbridge {

class TorchRemarks {
 public:
  explicit TorchRemarks(const TorchValues& torch) : torch_(torch) {}

  void left_out(std::string_view why, const std::string& name);
  void optimizer(const Tensor& tensor);
  void module(PickleRef object);
  void unused(uint64_t storages, uint64_t bytes);

  void append_to(std::vector<Remark>& remarks) const;
  // Throws Error (bad_input): the pickle, or the TorchScript archive, holds no tensor.
  [[noreturn]] void refuse(bool script) const;

 private:
  struct LeftOut {
    uint64_t count = 0;
    std::string names;  // of the first few, quoted
  };

  std::vector<const PickleValues::Global*> foreign_globals() const;
  std::string text_of_left_out() const;

  const TorchValues& torch_;
  std::map<std::string_view, LeftOut> left_out_;
  uint64_t optimizer_tensors_ = 0, optimizer_bytes_ = 0;
  std::string optimizer_name_;  // of its first tensor
  std::string module_;          // the outermost one's class
  uint64_t unused_storages_ = 0, unused_bytes_ = 0;
};

}  // namespace weighbridge
