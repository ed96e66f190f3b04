// The vocabulary that importers are written in: values of the graph under construction, with arithmetic
// that emits core ops.
//
// Inside src/onnx a refused node leaves by throwing Failure, as ONNX's own library does; Importer::node
// catches both in one place and turns them into Diags. Nothing leaves the library as an exception.
#pragma once

#include "tenon/ops.h"

namespace tenon::frontend {

struct Failure {
  Diags diags;
};
[[noreturn]] void refuse(Code code, std::string message, std::string hint = {});
template <class T>
T checked(Result<T> result) {
  if (!result) throw Failure{std::move(result).error()};
  return std::move(*result);
}

using Dims = std::vector<Expr>;
class Builder;

// A value, or nothing: an optional operand left out.
class Val {
 public:
  Val() = default;
  Val(Builder& builder, ValueId id) : builder_(&builder), id_(id) {}

  explicit operator bool() const { return id_.valid(); }
  ValueId id() const { return id_; }
  Builder& builder() const { return *builder_; }
  DType type() const;
  const Dims dims() const;
  Expr dim(int axis) const { return dims()[static_cast<size_t>(axis)]; }
  int rank() const { return static_cast<int>(dims().size()); }
  // The elements, where shape arithmetic knows them.
  const std::optional<Dims> content() const;
  Val like(double number) const;  // a scalar of the same type

 private:
  Builder* builder_ = nullptr;
  ValueId id_ = {};
};

using Vals = std::vector<Val>;

// Emits nodes on behalf of one ONNX node.
class Builder {
 public:
  explicit Builder(Graph& g) : graph(g), pool(g.pool) {}

  Graph& graph;
  ExprPool& pool;
  NodeRef origin = {};
  std::vector<DataSymbol> input_elements = {};  // of small integer inputs: symbols as soon as a shape depends on them

  Val emit(Op op, const Vals& operands, Attrs attrs = {}) { return emit_all(op, operands, std::move(attrs), 1)[0]; }
  Vals emit_all(Op op, const Vals& operands, Attrs attrs, size_t outputs);

  Val constant(Constant constant);
  Val scalar(DType type, double number);
  Val integer(int64_t number);                         // i64
  Val integers(const std::vector<int64_t>& elements);  // i64[n]
  Val reals(const std::vector<double>& elements);      // f32[n]
  Val extents(const Dims& elements);                   // i64[n]: constant where all are
  Val iota(DType type, const Dims& dims, int axis);

  bool depends_on_input(Expr e) const;
  // From now on the elements of inputs in the expression are symbols of the model.
  void depend_on(Expr e);
};

// Elementwise, operands broadcast; a number takes the type of the value beside it.
#define TENON_BINARY(name)                                                      \
  Val name(Val a, Val b);                                                       \
  inline Val name(Val a, double b) { return name(a, a.like(b)); }               \
  inline Val name(double a, Val b) { return name(b.like(a), b); }
TENON_BINARY(operator+)
TENON_BINARY(operator-)
TENON_BINARY(operator*)
TENON_BINARY(operator/)
TENON_BINARY(operator<)
TENON_BINARY(operator<=)
TENON_BINARY(operator==)
TENON_BINARY(max)
TENON_BINARY(min)
TENON_BINARY(pow)
#undef TENON_BINARY
Val logical_and(Val a, Val b);
Val operator-(Val a);
Val abs(Val a);
Val exp(Val a);
Val expm1(Val a);
Val log(Val a);
Val log1p(Val a);
Val sqrt(Val a);
Val tanh(Val a);
Val sigmoid(Val a);
Val erf(Val a);
Val sin(Val a);
Val cos(Val a);
Val floor(Val a);
Val round(Val a);
Val select(Val condition, Val a, Val b);

Val cast(Val a, DType type);
Val broadcast(Val a, const Dims& dims);
Val reshape(Val a, const Dims& dims);
Val transpose(Val a, std::vector<int64_t> perm);
Val concat(const Vals& parts, int axis);
Val slice(Val a, int axis, Expr start, Expr extent, int64_t step = 1);
Val pad(Val a, const Dims& begin, const Dims& end, Val value);

Val gather(Val data, Val indices, int axis);
Val dot(Val a, Val b);
Val reduce(Op op, Val a, std::vector<int64_t> axes, bool keep);
Val mean(Val a, const std::vector<int64_t>& axes, bool keep);

// Shapes.
Val unsqueeze(Val a, int axis);
Val squeeze(Val a, int axis);
Val flatten(Val a, int from, int to);                  // dims [from, to) become one
Val align_channels(Val a, int axis, int rank);         // [C] -> [C,1,1..] so that it broadcasts along axis
Expr product(ExprPool& pool, std::span<const Expr> dims);
Val element_count(Val a, const std::vector<int64_t>& axes, DType type);  // as a scalar

// An index expression as a scalar value.
Val scalar_of(Builder& builder, Expr index, DType type);

}  // namespace tenon::frontend
