// What an importer sees of one ONNX node.
#pragma once

#include "value.h"

namespace onnx {
class AttributeProto;
class GraphProto;
class NodeProto;
class OpSchema;
}  // namespace onnx

namespace tenon::frontend {

struct TensorSource;

class OnnxNode {
 public:
  OnnxNode(Builder& builder, const onnx::NodeProto& proto, const onnx::OpSchema* schema, int opset_version,
           Vals operands, TensorSource& source)
      : b(builder), pool(builder.pool), opset(opset_version), proto_(proto), schema_(schema),
        operands_(std::move(operands)), source_(source) {}

  Builder& b;
  ExprPool& pool;
  const int opset;  // version of the node's domain

  const std::string& op() const;
  // Operands by position; [] refuses one that is left out, opt gives an empty Val.
  Val operator[](size_t i) const;
  Val opt(size_t i) const { return i < operands_.size() ? operands_[i] : Val{}; }
  const Vals& operands() const { return operands_; }
  size_t output_count() const;
  bool wants_output(size_t i) const;

  // Attributes: the node's, else the schema's default. Those without `_or` refuse a missing one.
  bool has(std::string_view name) const { return find(name) != nullptr; }
  int64_t integer(std::string_view name) const;
  int64_t integer_or(std::string_view name, int64_t fallback) const { return has(name) ? integer(name) : fallback; }
  bool flag(std::string_view name) const { return integer_or(name, 0) != 0; }
  double real(std::string_view name) const;
  double real_or(std::string_view name, double fallback) const { return has(name) ? real(name) : fallback; }
  std::string text(std::string_view name) const;
  std::string text_or(std::string_view name, std::string fallback) const { return has(name) ? text(name) : fallback; }
  std::vector<int64_t> integers(std::string_view name) const;  // empty where missing
  std::vector<double> reals(std::string_view name) const;      // empty where missing
  std::vector<std::string> texts(std::string_view name) const; // empty where missing
  DType type(std::string_view name) const;                     // of an integer that is a TensorProto.DataType
  Constant tensor(std::string_view name) const;
  Constant sparse_tensor(std::string_view name) const;
  const onnx::GraphProto& graph(std::string_view name) const;

  // Attribute or number counted from the end where negative, in [0, rank).
  int axis(std::string_view name, int rank) const { return axis(integer(name), rank); }
  int axis(int64_t number, int rank) const;
  std::vector<int64_t> axes(std::vector<int64_t> numbers, int rank) const;  // sorted, unique

  // The elements of an operand that shapes depend on: refuses (E0208) where only the run decides.
  Dims elements(size_t i) const;
  std::vector<int64_t> constant_integers(size_t i) const;
  double constant_real(size_t i) const;
  // What was an attribute up to some opset and is an operand since; nothing where it is neither.
  std::optional<Dims> elements_or_attribute(size_t i, std::string_view name) const;
  std::optional<std::vector<int64_t>> integers_or_attribute(size_t i, std::string_view name) const;

  [[noreturn]] void unsupported(const std::string& what, std::string hint = {}) const;
  [[noreturn]] void malformed(const std::string& what) const { refuse(Code::E0206, what); }
  void require(bool fits, const std::string& what) const {
    if (!fits) refuse(Code::E0204, what);
  }

 private:
  const onnx::AttributeProto* find(std::string_view name) const;
  const onnx::AttributeProto& get(std::string_view name, int type) const;

  const onnx::NodeProto& proto_;
  const onnx::OpSchema* schema_;
  Vals operands_;
  TensorSource& source_;
};

// One function per ONNX op, in a file per family: import_*.cpp.
using ImportFn = Vals (*)(OnnxNode& n);
struct ImportRow {
  std::string_view name;
  ImportFn import;
  std::string_view domain = "";
};
std::span<const ImportRow> import_rows();
const ImportRow* find_importer(std::string_view domain, std::string_view op);

}  // namespace tenon::frontend
