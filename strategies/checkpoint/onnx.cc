// ONNX: a ModelProto in protobuf's wire format; the weights are the initializers (TensorProto) of its graph.
// https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, docs/IR.md, docs/ExternalData.md
//
// What is listed: the dense initializers of the graph, and those of the graphs in the attributes of its nodes (the
// branches of If, the bodies of Loop and Scan) and of its functions' nodes, under the names they have in the file.
// Each graph is a scope of its own: two branches may both have a "weight". Within one graph a name comes once, as
// onnx's checker demands (ONNX Runtime takes the last and warns, so that two readers would see two models).
//
// What is not, with a remark: sparse initializers (values and indices that a runtime expands at will), tensors of
// strings, an odd number of 4-bit elements, the graphs that describe training. Tensors in attributes are constants of
// the graph, no initializers; where they hold a mebibyte and more, that is said, as some exporters put weights there.
//
// Where elements lie: raw_data and packed floats plainly in the model, other typed fields as varints (onnx_data.h),
// external data plainly in files beside it (onnx_external.h).
//
// Cost: one Tensor per initializer. Nodes and names are read, elements are passed over unread, but for varints, which
// have to be counted. A tensor without elements takes a dozen bytes of the file and ten times that in memory, so the
// table is held against the file's size.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/onnx_external.h"
#include "strategies/checkpoint/onnx_tensor.h"
#include "strategies/checkpoint/protobuf.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

// Field numbers of the messages that are walked.
namespace model {
enum : uint32_t { kIrVersion = 1, kGraph = 7, kTrainingInfo = 20, kFunctions = 25 };
}
namespace graph {
enum : uint32_t { kNode = 1, kInitializer = 5, kSparseInitializer = 15 };
}
namespace function {
enum : uint32_t { kNode = 7, kAttribute = 11 };
}
namespace node {
enum : uint32_t { kAttribute = 5 };
}
namespace attribute {
enum : uint32_t { kTensor = 5, kGraph = 6, kTensors = 10, kGraphs = 11, kSparseTensor = 22, kSparseTensors = 23 };
}
namespace sparse {
enum : uint32_t { kValues = 1 };
}
namespace tensor {
enum : uint32_t { kName = 8 };
}

constexpr uint64_t kTableRoom = 40u << 20;       // heap for the table, beyond as many bytes as the file has
constexpr uint64_t kConstantsToTell = 1u << 20;  // bytes

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

class ModelReader {
 public:
  ModelReader(const File& file, Checkpoint& checkpoint)
      : file_(file),
        checkpoint_(checkpoint),
        cursor_(file),
        external_(file, checkpoint),
        model_(static_cast<uint32_t>(checkpoint.files.size() - 1)) {}

  void read() {
    bool has_graph = false;
    for (WireMessage model(cursor_, 0, file_.bytes()); model.next();) {
      switch (model.field()) {
        case model::kGraph:
          if (has_graph) throw format_error(file_.path(), model.at(), "a second graph", "one graph in a model");
          has_graph = true;
          read_graph(model.message());
          break;
        case model::kTrainingInfo:
          training_.add("", model.content_bytes());
          break;
        case model::kFunctions:
          read_function(model.message());
          break;
        default:
          break;
      }
    }
    if (!has_graph) throw format_error(file_.path(), file_.bytes(), "no graph", "a graph in every ONNX model");
    require_unique_names();
    remark();
  }

 private:
  void read_graph(WireMessage graph) {
    const uint32_t scope = scopes_++;
    while (graph.next()) {
      switch (graph.field()) {
        case graph::kNode:
          read_node(graph.message());
          break;
        case graph::kInitializer:
          read_initializer(graph.message(), scope);
          break;
        case graph::kSparseInitializer:
          sparse_.add(name_of_sparse(graph.message()), graph.content_bytes());
          break;
        default:
          break;
      }
    }
  }

  void read_function(WireMessage function) {
    while (function.next()) {
      if (function.field() == function::kNode) read_node(function.message());
      if (function.field() == function::kAttribute) read_attribute(function.message());
    }
  }

  void read_node(WireMessage node) {
    while (node.next()) {
      if (node.field() == node::kAttribute) read_attribute(node.message());
    }
  }

  void read_attribute(WireMessage attribute) {
    while (attribute.next()) {
      switch (attribute.field()) {
        case attribute::kGraph:
        case attribute::kGraphs:
          read_graph(attribute.message());
          break;
        case attribute::kTensor:
        case attribute::kTensors:
        case attribute::kSparseTensor:
        case attribute::kSparseTensors:
          constants_.add("", attribute.content_bytes());
          break;
        default:
          break;
      }
    }
  }

  void read_initializer(WireMessage message, uint32_t scope) {
    const uint64_t at = message.begin();
    OnnxTensor tensor = read_onnx_tensor(message);
    switch (left_out(tensor)) {
      case OnnxLeftOut::text:
        texts_.add(tensor.name, message.end() - at);
        return;
      case OnnxLeftOut::half_byte:
        half_bytes_.add(tensor.name, message.end() - at);
        return;
      case OnnxLeftOut::no:
        break;
    }
    Tensor placed = place_onnx_tensor(std::move(tensor), file_, model_, external_);
    require_room(placed, at);
    auto& tensors = checkpoint_.tensors;
    // By a quarter where vectors double: while it grows the old table and the new one are held.
    if (tensors.size() == tensors.capacity()) tensors.reserve(tensors.size() + tensors.size() / 4 + 16);
    if (named_.size() == named_.capacity()) named_.reserve(named_.size() + named_.size() / 4 + 16);
    named_.push_back({scope, static_cast<uint32_t>(tensors.size()), at});
    tensors.push_back(std::move(placed));
  }

  // Sizes of the heap's blocks are rounded to 16 bytes and have 8 of its own; a table that grows is held twice.
  void require_room(const Tensor& tensor, uint64_t at) {
    const auto block = [](uint64_t bytes) { return bytes == 0 ? 0 : bytes + 24; };
    const uint64_t name = tensor.name.size() < sizeof(std::string) / 2 ? 0 : block(tensor.name.size());
    table_bytes_ += (sizeof(Tensor) + sizeof(Named)) * 9 / 4 + name + block(tensor.shape.size() * sizeof(uint64_t));
    if (table_bytes_ + external_.heap_bytes() > file_.bytes() + kTableRoom) {
      throw format_error(
          file_.path(), at,
          fmt::format("{} tensors that take more memory to list than the file of {} bytes has, and {} MiB",
                      named_.size() + 1, file_.bytes(), kTableRoom >> 20),
          "tensors with elements");
    }
  }

  std::string name_of_sparse(WireMessage sparse) {
    std::string name;
    while (sparse.next()) {
      if (sparse.field() != sparse::kValues) continue;
      for (WireMessage values = sparse.message(); values.next();) {
        if (values.field() == tensor::kName) name = values.text(128);
      }
    }
    return name;
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
  uint32_t scopes_ = 0;
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
  constexpr uint64_t kMaximumIrVersion = 255;  // 13 in 2025
  try {
    WireCursor cursor(file);
    WireMessage model(cursor, 0, file.bytes());
    bool versioned = false, has_graph = false;
    for (int i = 0; i < kFields && !(versioned && has_graph) && model.next(); ++i) {
      if (!belongs_to_model(model)) return false;
      if (model.field() == model::kIrVersion) {
        if (model.number() == 0 || model.number() > kMaximumIrVersion) return false;
        versioned = true;
      }
      if (model.field() == model::kGraph) {
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
