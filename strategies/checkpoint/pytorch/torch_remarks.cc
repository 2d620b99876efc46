#include "strategies/checkpoint/pytorch/torch_remarks.h"

#include <fmt/format.h>

#include <algorithm>

#include "strategies/checkpoint/format.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr size_t kMostFound = 8;  // globals that get a remark each
constexpr std::string_view kExpected = "a PyTorch checkpoint";
constexpr size_t kMostCompared = 128;  // bytes of a global's name
constexpr uint64_t kMostNamed = 3;     // tensors that are named

std::string plural(uint64_t count, std::string_view one) {
  return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

}  // namespace

void TorchRemarks::left_out(std::string_view why, const std::string& name) {
  LeftOut& kind = left_out_[why];
  if (kind.count < kMostNamed) kind.names += fmt::format("{}{}", kind.count == 0 ? "" : ", ", in_quotes(name));
  ++kind.count;
}

void TorchRemarks::optimizer(const Tensor& tensor) {
  if (optimizer_tensors_++ == 0) optimizer_name_ = in_quotes(tensor.name);
  optimizer_bytes_ += tensor.bytes();
}

void TorchRemarks::module(PickleRef object) {
  if (!module_.empty()) return;
  const PickleValues& values = torch_.values();
  PickleRef type = torch_.callee_global(object);
  const TorchMeaning* meaning = torch_.callee(object);
  const PickleRef args = values.object(object).args;
  // copyreg._reconstructor(class, object, None), as protocols 0 and 1 make it
  if (meaning != nullptr && meaning->what == TorchGlobal::harmless && values.is(args, PickleKind::tuple) &&
      values.count(args) > 0 && values.is(values.item(args, 0), PickleKind::global)) {
    type = values.item(args, 0);
  }
  module_ = type == PickleValues::kNone ? "of an unknown class" : torch_.name_of(values.global(type));
}

void TorchRemarks::unused(uint64_t storages, uint64_t bytes) {
  unused_storages_ = storages;
  unused_bytes_ = bytes;
}

// Each name once, in the order of the file.
std::vector<const PickleValues::Global*> TorchRemarks::foreign_globals() const {
  std::vector<const PickleValues::Global*> foreign;
  const auto& globals = torch_.values().globals();
  for (uint32_t i = 0; i < globals.size(); ++i) {
    if (torch_.meaning(i).what == TorchGlobal::foreign) foreign.push_back(&globals[i]);
  }
  const auto names = [&](const PickleValues::Global* global) {  // as far as they are shown
    return std::pair(torch_.values().text(global->module).substr(0, kMostCompared),
                     torch_.values().text(global->name).substr(0, kMostCompared));
  };
  std::stable_sort(foreign.begin(), foreign.end(),
                   [&](const auto* left, const auto* right) { return names(left) < names(right); });
  foreign.erase(std::unique(foreign.begin(), foreign.end(),
                            [&](const auto* left, const auto* right) { return names(left) == names(right); }),
                foreign.end());
  std::sort(foreign.begin(), foreign.end(), [](const auto* left, const auto* right) { return left->at < right->at; });
  return foreign;
}

std::string TorchRemarks::text_of_left_out() const {
  std::string text;
  for (const auto& [why, kind] : left_out_) {
    text += fmt::format(
        "{}{} ({}{})", text.empty() ? "" : ", ",
        why == "NumPy" ? plural(kind.count, "NumPy array") : plural(kind.count, fmt::format("{} tensor", why)),
        kind.names, kind.count > kMostNamed ? fmt::format(" and {} more", kind.count - kMostNamed) : "");
  }
  return text;
}

void TorchRemarks::append_to(std::vector<Remark>& remarks) const {
  const auto foreign = foreign_globals();
  for (size_t i = 0; i < std::min(foreign.size(), kMostFound); ++i) {
    std::string text = fmt::format(
        "this file asks to run {} ({}), which was not done and which torch.load does "
        "unless weights_only is set",
        torch_.name_of(*foreign[i]), torch_.stream().place_text(foreign[i]->at));
    if (i + 1 == kMostFound && foreign.size() > kMostFound) {
      text += fmt::format("; and {} more", foreign.size() - kMostFound);
    }
    remarks.push_back({"asks-to-run-code", std::move(text), 0});
  }
  if (!module_.empty()) {
    remarks.push_back({"whole-module",
                       fmt::format("this file holds a whole module ({}), not a state dict: loading it runs the code of "
                                   "its classes; torch.save(model.state_dict(), ...) writes the tensors alone",
                                   module_),
                       0});
  }
  if (!left_out_.empty()) {
    remarks.push_back(
        {"left-out", fmt::format("left out, not being tensors with plain elements: {}", text_of_left_out()), 0});
  }
  if (optimizer_tensors_ > 0) {
    remarks.push_back(
        {"optimizer-state",
         fmt::format("{}, {} bytes, {} an optimizer's state ({}{}): training needs them, inference does not",
                     plural(optimizer_tensors_, "tensor"), optimizer_bytes_, optimizer_tensors_ == 1 ? "is" : "are",
                     optimizer_name_, optimizer_tensors_ == 1 ? "" : " and so on"),
         optimizer_bytes_});
  }
  if (unused_bytes_ > 0) {
    remarks.push_back(
        {"storage-larger-than-tensors",
         fmt::format("{} hold{} {} bytes that no tensor uses, and torch.load reads them whole: the tensors "
                     "are views of something larger, and tensor.clone() before torch.save drops the rest",
                     plural(unused_storages_, "storage"), unused_storages_ == 1 ? "s" : "", unused_bytes_),
         unused_bytes_});
  }
}

void TorchRemarks::refuse(bool script) const {
  const auto foreign = foreign_globals();
  const std::string_view what = script ? "a TorchScript archive" : "a pickle";
  if (!foreign.empty()) {
    torch_.stream().fail(foreign[0]->at,
                         fmt::format("{} that asks to run {}{} and holds no tensors", what, torch_.name_of(*foreign[0]),
                                     foreign.size() > 1 ? fmt::format(" ({} more)", foreign.size() - 1) : ""),
                         kExpected);
  }
  if (!left_out_.empty()) {
    torch_.stream().fail(0, fmt::format("nothing but {}", text_of_left_out()),
                         "tensors whose elements are plain numbers");
  }
  torch_.stream().fail(0, fmt::format("{} that holds no tensors", what), kExpected);
}

}  // namespace weighbridge
