// Where in an ONNX model tensors are: a walk over ModelProto that tells a visitor, in the file's order.
//
// Initializers stand in the model's graph, and in the graphs that attributes of nodes hold: the branches of If, the
// bodies of Loop and Scan. Functions have nodes of their own. Each graph is a scope of names. Tensors that stand in
// attributes directly are constants. What is not on the way to one of these is passed over unread.
//
// A Visitor has:
//   void initializer(const WireMessage& tensor, uint32_t scope);   TensorProto
//   void sparse_initializer(const WireMessage& tensor);            SparseTensorProto
//   void constant(uint64_t bytes);                                 TensorProto or SparseTensorProto of an attribute
//   void training(uint64_t bytes);                                 TrainingInfoProto
#pragma once

#include <cstdint>

#include "strategies/checkpoint/onnx/protobuf.h"
#include "strategies/error.h"

namespace weighbridge {

template <typename Visitor>
class OnnxWalk {
 public:
  OnnxWalk(WireCursor& cursor, Visitor& visitor) : cursor_(cursor), visitor_(visitor) {}

  // Throws Error (bad_input) where the file is no ModelProto with one graph, and what the visitor throws.
  void model() {
    const File& file = cursor_.file();
    bool has_graph = false;
    for (WireMessage model(cursor_, 0, file.bytes()); model.next();) {
      switch (model.field()) {
        case 7:  // graph
          if (has_graph) throw format_error(file.path(), model.at(), "a second graph", "one graph in a model");
          has_graph = true;
          graph(model.message());
          break;
        case 20:  // training_info
          visitor_.training(model.content_bytes());
          break;
        case 25:  // functions
          function(model.message());
          break;
        default:
          break;
      }
    }
    if (!has_graph) throw format_error(file.path(), file.bytes(), "no graph", "a graph in every ONNX model");
  }

 private:
  void graph(WireMessage graph) {
    const uint32_t scope = scopes_++;
    while (graph.next()) {
      switch (graph.field()) {
        case 1:
          node(graph.message());
          break;
        case 5:
          visitor_.initializer(graph.message(), scope);
          break;
        case 15:
          visitor_.sparse_initializer(graph.message());
          break;
        default:
          break;
      }
    }
  }

  void function(WireMessage function) {
    while (function.next()) {
      if (function.field() == 7) node(function.message());
      if (function.field() == 11) attribute(function.message());  // defaults
    }
  }

  void node(WireMessage node) {
    while (node.next()) {
      if (node.field() == 5) attribute(node.message());
    }
  }

  void attribute(WireMessage attribute) {
    while (attribute.next()) {
      switch (attribute.field()) {
        case 6:   // g
        case 11:  // graphs
          graph(attribute.message());
          break;
        case 5:   // t
        case 10:  // tensors
        case 22:  // sparse_tensor
        case 23:  // sparse_tensors
          visitor_.constant(attribute.content_bytes());
          break;
        default:
          break;
      }
    }
  }

  WireCursor& cursor_;
  Visitor& visitor_;
  uint32_t scopes_ = 0;
};

}  // namespace weighbridge
