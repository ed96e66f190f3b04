// Walks a model's nodes and hands each to its importer; calls of functions are expanded in place.
#pragma once

#include <map>
#include <set>
#include <unordered_map>

#include "load.h"
#include "node.h"
#include "tenon/frontend.h"

namespace onnx {
class FunctionProto;
class ValueInfoProto;
}  // namespace onnx

namespace tenon::frontend {

// The names that a graph, a sub-graph or a function body sees.
struct Scope {
  Scope* outer = nullptr;                                            // a sub-graph captures from here
  std::map<std::string, int> opsets = {};                            // domain -> version
  // No id: its node was refused, and that was reported. An invalid id: an operand of the call left out.
  std::unordered_map<std::string, std::optional<ValueId>> values = {};
  std::unordered_map<std::string, const onnx::TensorProto*> tensors = {};          // initialisers not read yet
  std::unordered_map<std::string, const onnx::SparseTensorProto*> sparse = {};
  std::unordered_map<std::string, const onnx::AttributeProto*> attributes = {};    // of the function call
  std::set<std::string> later = {};                                  // defined by nodes of this scope
  NodeRef call = {};                                                 // the node that is expanded; index -1: none
  int depth = 0;
};

inline constexpr int kMaxDepth = 64;  // nested calls and sub-graphs

class Importer {
 public:
  Importer(Model& model, const ImportOptions& options);
  Result<Graph> run();

 private:
  // importer_io.cpp: inputs, outputs, symbols.
  void read_opsets();
  void declare_input(const onnx::ValueInfoProto& info);
  void name_elements();
  void apply_options();
  void finish_elements();
  void declare_output(const onnx::ValueInfoProto& info);
  void check_declared(const onnx::ValueInfoProto& info, Val value);
  Expr dim(const std::string& text);
  void set_name(ValueId value, const std::string& name);

  // importer.cpp
  void enter(const onnx::GraphProto& body, Scope& scope);
  template <class Nodes>
  void nodes(const Nodes& list, Scope& scope);
  void node(const onnx::NodeProto& proto, int index, Scope& scope);
  std::optional<ValueId> find(const std::string& name, Scope& scope);
  std::optional<Vals> operands(const onnx::NodeProto& proto, const NodeRef& node, Scope& scope);
  void bind_outputs(const onnx::NodeProto& proto, const Vals& made, size_t first_new, Scope& scope);
  Vals dispatch(const onnx::NodeProto& proto, Scope& scope, const std::optional<Vals>& operands);
  Vals call(const onnx::FunctionProto& function, const onnx::NodeProto& proto, const Vals& operands,
            const onnx::OpSchema* schema, Scope& scope);
  const onnx::FunctionProto* local_function(const onnx::NodeProto& proto) const;

  // control_flow.cpp: what has sub-graphs needs the importer, not only the node.
  using ControlFlow = Vals (Importer::*)(OnnxNode& n, Scope& scope);
  static ControlFlow control_flow(std::string_view op);
  Vals body(const onnx::GraphProto& graph, const Vals& inputs, Scope& scope);
  Vals if_node(OnnxNode& n, Scope& scope);
  Vals loop_node(OnnxNode& n, Scope& scope);
  Vals scan_node(OnnxNode& n, Scope& scope);

  void report(Diags diags, const NodeRef& node, const Vals& operands);

  Model& model_;
  const ImportOptions& options_;
  TensorSource tensors_;
  Graph graph_;
  Builder builder_;
  Scope main_;
  Diags diags_;
  int64_t steps_ = 0;
};

}  // namespace tenon::frontend
