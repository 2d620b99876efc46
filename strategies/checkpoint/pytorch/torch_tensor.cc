#include "strategies/checkpoint/pytorch/torch_tensor.h"

#include <fmt/format.h>

#include "strategies/checkpoint/format.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr unsigned kMostWrapped = 8;   // parameters around a tensor; torch makes one or two
constexpr uint32_t kMaximumRank = 64;  // torch's own
constexpr size_t kShownModule = 100;   // bytes of a global's name in a message

}  // namespace

TorchValues::TorchValues(const PickleStream& stream, const PickleValues& values, bool script)
    : stream_(stream), values_(values) {
  meanings_.reserve(values.globals().size());
  for (const PickleValues::Global& global : values.globals()) {
    meanings_.push_back(torch_meaning(values.text(global.module), values.text(global.name), global.called, script));
  }
}

PickleRef TorchValues::callee_global(PickleRef object) const {
  PickleRef callee = values_.object(object).callee;
  if (values_.is(callee, PickleKind::persistent)) {
    const PickleRef id = values_.persistent_id(callee);
    if (values_.is(id, PickleKind::tuple) && values_.count(id) >= 2) callee = values_.item(id, 1);
  }
  return values_.is(callee, PickleKind::global) ? callee : PickleValues::kNone;
}

const TorchMeaning* TorchValues::callee(PickleRef object) const {
  const PickleRef global = callee_global(object);
  return global == PickleValues::kNone ? nullptr : &meanings_[values_.global_index(global)];
}

std::string TorchValues::name_of(const PickleValues::Global& global) const {
  std::string text(values_.text(global.module));
  if (!values_.text(global.name).empty()) (text += '.') += values_.text(global.name);
  return printable(text, kShownModule);
}

TorchValues::Leaf TorchValues::leaf(PickleRef value) const {
  for (unsigned wrapped = 0; wrapped < kMostWrapped; ++wrapped) {
    if (values_.is(value, PickleKind::persistent)) {
      const PickleRef id = values_.persistent_id(value);
      const bool storage = values_.is(id, PickleKind::tuple) && values_.count(id) > 0 &&
                           values_.is(values_.item(id, 0), PickleKind::text) &&
                           values_.text(values_.item(id, 0)) == "storage";
      if (!storage) return {};
      return {What::storage, value, PickleValues::kNone, PickleValues::kNone, values_.persistent_at(value), {}};
    }
    if (!values_.is(value, PickleKind::object)) return {};
    const PickleValues::Object& object = values_.object(value);
    PickleRef function = callee_global(value), args = object.args;
    if (function == PickleValues::kNone || !values_.is(args, PickleKind::tuple)) return {};
    const TorchMeaning* meaning = &meanings_[values_.global_index(function)];
    if (meaning->what == TorchGlobal::rebuild_from_type && values_.count(args) >= 3 &&
        values_.is(values_.item(args, 0), PickleKind::global) && values_.is(values_.item(args, 2), PickleKind::tuple)) {
      function = values_.item(args, 0);
      args = values_.item(args, 2);
      meaning = &meanings_[values_.global_index(function)];
    }
    switch (meaning->what) {
      case TorchGlobal::rebuild_tensor:
      case TorchGlobal::rebuild_tensor_v3:
        return {What::tensor, value, function, args, object.at, {}};
      case TorchGlobal::load_from_bytes:
        return {What::storage, value, function, args, object.at, {}};
      case TorchGlobal::left_out:
        return {What::left_out, value, function, args, object.at, meaning->why};
      case TorchGlobal::rebuild_parameter:
        if (values_.count(args) == 0) return {};
        value = values_.item(args, 0);
        continue;
      default:
        return {};
    }
  }
  return {};
}

// A tuple, a list or a torch.Size of whole numbers that are not negative.
std::vector<uint64_t> TorchValues::numbers(PickleRef sequence, uint64_t at, std::string_view of,
                                           const std::string& name) const {
  const auto fail = [&](std::string_view what, const std::string& expected) {
    stream_.fail(at, fmt::format("tensor {} with {} {}", in_quotes(name), of, what), expected);
  };
  if (values_.is(sequence, PickleKind::object)) {
    const TorchMeaning* meaning = callee(sequence);
    const PickleRef args = values_.object(sequence).args;
    if (meaning != nullptr && meaning->what == TorchGlobal::size && values_.is(args, PickleKind::tuple) &&
        values_.count(args) == 1) {
      sequence = values_.item(args, 0);
    }
  }
  if (!values_.is(sequence, PickleKind::tuple) && !values_.is(sequence, PickleKind::list)) {
    fail("that is no tuple", "a tuple of whole numbers");
  }
  if (values_.count(sequence) > kMaximumRank) {
    fail(fmt::format("of {} numbers", values_.count(sequence)), fmt::format("at most {}", kMaximumRank));
  }
  std::vector<uint64_t> result;
  result.reserve(values_.count(sequence));
  PickleValues::Items items = values_.items(sequence);
  for (PickleRef item; items.next(item);) {
    if (!values_.is(item, PickleKind::integer) || values_.integer(item) < 0) {
      fail("that is not made of whole numbers, 0 or more", "whole numbers");
    }
    result.push_back(static_cast<uint64_t>(values_.integer(item)));
  }
  return result;
}

TorchTensor TorchValues::tensor(const Leaf& leaf, const std::string& name) const {
  const auto fail = [&](const std::string& what, std::string_view expected) {
    stream_.fail(leaf.at, fmt::format("tensor {} {}", in_quotes(name), what), expected);
  };
  const bool own_dtype = meanings_[values_.global_index(leaf.function)].what == TorchGlobal::rebuild_tensor_v3;
  const uint32_t needed = own_dtype ? 7 : 4;
  if (values_.count(leaf.args) < needed) {
    fail(fmt::format("made of {} arguments", values_.count(leaf.args)), fmt::format("at least {}", needed));
  }
  TorchTensor tensor;
  tensor.at = leaf.at;
  tensor.storage = values_.item(leaf.args, 0);
  const PickleRef offset = values_.item(leaf.args, 1);
  if (!values_.is(offset, PickleKind::integer) || values_.integer(offset) < 0) {
    fail("whose offset is no whole number, 0 or more", "one");
  }
  tensor.first_element = static_cast<uint64_t>(values_.integer(offset));
  tensor.shape = numbers(values_.item(leaf.args, 2), leaf.at, "a size", name);
  tensor.strides = numbers(values_.item(leaf.args, 3), leaf.at, "strides", name);
  if (own_dtype) {
    const PickleRef dtype = values_.item(leaf.args, 6);
    if (!values_.is(dtype, PickleKind::global)) fail("whose dtype is no torch.dtype", "one");
    const TorchMeaning& meaning = meanings_[values_.global_index(dtype)];
    if (meaning.what != TorchGlobal::dtype || !meaning.dtype) {
      fail(fmt::format("of dtype {}", name_of(values_.global(dtype))), "a dtype with plain elements");
    }
    tensor.dtype = meaning.dtype;
  }
  return tensor;
}

std::optional<StorageId> TorchValues::storage_id(PickleRef persistent, const std::string& what) const {
  const uint64_t at = values_.persistent_at(persistent);
  const PickleRef id = values_.persistent_id(persistent);
  const auto fail = [&](std::string_view found, std::string_view expected) {
    stream_.fail(at, fmt::format("{} in a storage {}", what, found), expected);
  };
  const auto is = [&](uint32_t index, PickleKind kind) { return values_.is(values_.item(id, index), kind); };
  const auto size = [&](PickleRef value) {
    if (!values_.is(value, PickleKind::integer) || values_.integer(value) < 0) {
      fail("whose size is no whole number, 0 or more", "a number of elements");
    }
    return static_cast<uint64_t>(values_.integer(value));
  };
  if (!values_.is(id, PickleKind::tuple) || values_.count(id) == 0 || !is(0, PickleKind::text) ||
      values_.text(values_.item(id, 0)) != "storage") {
    return std::nullopt;
  }
  if (values_.count(id) < 5) {
    fail(fmt::format("whose id has {} parts", values_.count(id)), "five: what it is, class, key, device, elements");
  }
  const PickleRef type = values_.item(id, 1);
  if (!is(1, PickleKind::global) || meanings_[values_.global_index(type)].what != TorchGlobal::storage) {
    fail(values_.is(type, PickleKind::global) ? fmt::format("of class {}", name_of(values_.global(type)))
                                              : std::string("of no class"),
         "one of torch's storage classes");
  }
  StorageId storage;
  storage.dtype = meanings_[values_.global_index(type)].dtype.value_or(Dtype::u8);
  const PickleRef key = values_.item(id, 2);
  if (!values_.is(key, PickleKind::text) || values_.cut(key)) fail("whose key is no short text", "a key");
  storage.key = values_.text(key);
  storage.meta = is(3, PickleKind::text) && values_.text(values_.item(id, 3)) == "meta";
  storage.elements = size(values_.item(id, 4));
  storage.part_elements = storage.elements;
  if (values_.count(id) >= 6 && !is(5, PickleKind::none)) {  // (key of the part, offset, elements)
    const PickleRef part = values_.item(id, 5);
    if (!values_.is(part, PickleKind::tuple) || values_.count(part) != 3) fail("of which it is an unknown part", "one");
    storage.part_begin = size(values_.item(part, 1));
    storage.part_elements = size(values_.item(part, 2));
    if (storage.part_begin > storage.elements || storage.part_elements > storage.elements - storage.part_begin) {
      fail(fmt::format("of {} elements, as {} from element {} on", storage.elements, storage.part_elements,
                       storage.part_begin),
           "a part that lies within it");
    }
  }
  return storage;
}

}  // namespace weighbridge
