// ONNX: a ModelProto in protobuf's wire format; the weights are the initializers (TensorProto) of its graph.
// https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, docs/IR.md, docs/ExternalData.md
//
// What is listed: the dense initializers of the graph, of the graphs within it and of functions (onnx_walk.h), under
// the names they have in the file. Two branches of an If may both have a "weight"; within one graph a name comes once,
// as onnx's checker demands (ONNX Runtime takes the last and warns, so that two readers would see two models).
//
// What is not, with a remark: sparse initializers (values and indices that a runtime expands at will), tensors of
// strings, an odd number of 4-bit elements, the graphs that describe training. Tensors in attributes are constants of
// the graph, no initializers; where they hold a mebibyte and more, that is said, as some exporters put weights there.
//
// Where elements lie: raw_data and packed floats plainly in the model, other typed fields as varints (onnx_data.h),
// external data plainly in files beside it (onnx_external.h).
//
// Cost: two walks, one Tensor per initializer. Nodes and names are read, elements are passed over unread, but for
// varints, which have to be counted. A tensor without elements takes a dozen bytes of the file and ten times that in
// memory, so the table is held against the file's size before it is made.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/onnx/onnx_external.h"
#include "strategies/checkpoint/onnx/onnx_tensor.h"
#include "strategies/checkpoint/onnx/onnx_walk.h"
#include "strategies/checkpoint/onnx/protobuf.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr uint64_t kTableRoom = 48u << 20;       // heap for the table, beyond as many bytes as the file has
constexpr uint64_t kConstantsToTell = 1u << 20;  // bytes
constexpr size_t kNameKept = 128;                // of what is left out, more than is shown

// Tensors that are not listed, for the remark.
struct LeftOut {
  size_t count = 0;
  uint64_t bytes = 0;  // as they lie in the model
  std::string first;   // name

  void add(const std::string& name, uint64_t lying) {
    if (count++ == 0) first = name;
    bytes += lying;
  }
  void remark(Checkpoint& checkpoint, std::string_view one, std::string_view many, std::string_view why) const {
    if (count == 0) return;
    const std::string named = first.empty() ? ""
                              : count == 1  ? fmt::format(" {}", in_quotes(first))
                                            : fmt::format(" (the first is {})", in_quotes(first));
    checkpoint.remarks.push_back({"left-out",
                                  fmt::format("{} {}{} {} left out: {}", count, count == 1 ? one : many, named,
                                              count == 1 ? "was" : "were", why),
                                  bytes});
  }
};

// How many tensors the table will have, so that it is made once, at its size: growing by copies costs twice as much.
struct Counter {
  uint64_t initializers = 0;
  void initializer(const WireMessage&, uint32_t) { ++initializers; }
  void sparse_initializer(const WireMessage&) {}
  void constant(uint64_t) {}
  void training(uint64_t) {}
};

class ModelReader {
 public:
  ModelReader(const File& file, Checkpoint& checkpoint)
      : file_(file),
        checkpoint_(checkpoint),
        cursor_(file),
        external_(file, checkpoint),
        model_(static_cast<uint32_t>(checkpoint.files.size() - 1)) {}

  void read() {
    Counter counter;
    OnnxWalk(cursor_, counter).model();
    // A tensor, its name for the check, and what sorting may take when the tensors are put in the order of their files.
    take_room(counter.initializers * (sizeof(Tensor) + sizeof(Named) + sizeof(Tensor) / 2));
    checkpoint_.tensors.reserve(checkpoint_.tensors.size() + counter.initializers);
    named_.reserve(counter.initializers);
    OnnxWalk(cursor_, *this).model();
    require_unique_names();
    remark();
  }

  void initializer(const WireMessage& message, uint32_t scope) {
    OnnxTensor tensor = read_onnx_tensor(message);
    const uint64_t lying = message.end() - message.begin();
    switch (left_out(tensor)) {
      case OnnxLeftOut::text:
        texts_.add(tensor.name, lying);
        return;
      case OnnxLeftOut::half_byte:
        half_bytes_.add(tensor.name, lying);
        return;
      case OnnxLeftOut::no:
        break;
    }
    Tensor placed = place_onnx_tensor(std::move(tensor), file_, model_, external_);
    // The heap's blocks are rounded to 16 bytes and have 8 of their own; a short name lies in the string itself.
    const uint64_t name = placed.name.size() < 16 ? 0 : placed.name.size() + 24;
    take_room(name + (placed.shape.empty() ? 0 : placed.shape.capacity() * sizeof(uint64_t) + 24));
    named_.push_back({scope, static_cast<uint32_t>(checkpoint_.tensors.size()), message.begin()});
    checkpoint_.tensors.push_back(std::move(placed));
  }

  void sparse_initializer(WireMessage sparse) {
    std::string name;
    const uint64_t lying = sparse.end() - sparse.begin();
    while (sparse.next()) {
      if (sparse.field() != 1) continue;  // values, whose name is the tensor's
      for (WireMessage values = sparse.message(); values.next();) {
        if (values.field() == 8) name = values.text(kNameKept);
      }
    }
    sparse_.add(name, lying);
  }

  void constant(uint64_t bytes) { constants_.add("", bytes); }
  void training(uint64_t bytes) { training_.add("", bytes); }

 private:
  void take_room(uint64_t bytes) {
    table_bytes_ += bytes;
    if (table_bytes_ + external_.heap_bytes() <= file_.bytes() + kTableRoom) return;
    throw format_error(
        file_.path(), 0,
        fmt::format(
            "more tensors than a file of {} bytes can be believed to hold (their table takes {} bytes and more)",
            file_.bytes(), table_bytes_),
        "tensors with elements");
  }

  void require_unique_names() {
    const auto name = [&](const Named& named) -> const std::string& { return checkpoint_.tensors[named.tensor].name; };
    std::sort(named_.begin(), named_.end(), [&](const Named& left, const Named& right) {
      if (left.scope != right.scope) return left.scope < right.scope;
      const int compared = name(left).compare(name(right));
      return compared != 0 ? compared < 0 : left.at < right.at;
    });
    const auto twice = std::adjacent_find(named_.begin(), named_.end(), [&](const Named& left, const Named& right) {
      return left.scope == right.scope && name(left) == name(right);
    });
    if (twice == named_.end()) return;
    throw format_error(file_.path(), std::next(twice)->at,
                       fmt::format("tensor {} a second time", in_quotes(name(*twice))), "each name once in a graph");
  }

  void remark() {
    sparse_.remark(checkpoint_, "sparse initializer", "sparse initializers",
                   "its values and indices are no tensor until a runtime expands them");
    texts_.remark(checkpoint_, "tensor of strings", "tensors of strings", "strings are no weights");
    half_bytes_.remark(checkpoint_, "tensor", "tensors", "the 4-bit elements are odd in number and end in half a byte");
    training_.remark(checkpoint_, "description of a training step", "descriptions of training steps",
                     "its graphs are not run to infer");
    if (constants_.bytes >= kConstantsToTell) {
      constants_.remark(checkpoint_, "constant of a node", "constants of nodes", "only initializers are listed");
    }
  }

  struct Named {
    uint32_t scope, tensor;
    uint64_t at;
  };

  const File& file_;
  Checkpoint& checkpoint_;
  WireCursor cursor_;
  OnnxExternalFiles external_;
  const uint32_t model_;  // index of the model's file
  std::vector<Named> named_;
  uint64_t table_bytes_ = 0;
  LeftOut sparse_, texts_, half_bytes_, training_, constants_;
};

// The fields of ModelProto that come before the graph in every file, or behind it.
bool belongs_to_model(const WireMessage& field) {
  constexpr uint32_t kNumbers = 1u << 1 | 1u << 5;  // ir_version, model_version
  constexpr uint32_t kBytes =
      1u << 2 | 1u << 3 | 1u << 4 | 1u << 6 | 1u << 7 | 1u << 8 | 1u << 14 | 1u << 20 | 1u << 25 | 1u << 26;
  const uint32_t known = field.type() == WireType::varint ? kNumbers : field.type() == WireType::bytes ? kBytes : 0;
  return field.field() < 32 && (known >> field.field() & 1) != 0;
}

bool belongs_to_graph(const WireMessage& field) {
  constexpr uint32_t kBytes = 1u << 1 | 1u << 2 | 1u << 5 | 0x3fu << 10 | 1u << 16;
  return field.type() == WireType::bytes && field.field() < 32 && (kBytes >> field.field() & 1) != 0;
}

// Protobuf has no magic. A file is taken for a model where each field up to the graph is one of ModelProto's, the IR
// version among them is small, and the graph fits the file and begins as one.
bool recognises(const File& file) {
  constexpr int kFields = 64;  // before the graph: a handful, and the opset imports where a writer orders them so
  constexpr uint32_t kIrVersion = 1, kGraph = 7;
  constexpr uint64_t kMaximumIrVersion = 255;  // 13 in 2025
  try {
    WireCursor cursor(file);
    WireMessage model(cursor, 0, file.bytes());
    bool versioned = false, has_graph = false;
    for (int i = 0; i < kFields && !(versioned && has_graph) && model.next(); ++i) {
      if (!belongs_to_model(model)) return false;
      if (model.field() == kIrVersion) {
        if (model.number() == 0 || model.number() > kMaximumIrVersion) return false;
        versioned = true;
      }
      if (model.field() == kGraph) {
        WireMessage graph = model.message();
        if (!graph.next() || !belongs_to_graph(graph)) return false;
        has_graph = true;
      }
    }
    return versioned && has_graph;
  } catch (const Error&) {
    return false;
  }
}

void read(const File& file, Checkpoint& checkpoint) {
  ModelReader(file, checkpoint).read();
}

constexpr std::string_view kSuffixes[] = {".onnx"};

}  // namespace

const Format kOnnx{
    .info = {"onnx", "a model's initializers, in the model or in external data beside it"},
    .suffixes = kSuffixes,
    .recognises = recognises,
    .read = read,
};

}  // namespace weighbridge
