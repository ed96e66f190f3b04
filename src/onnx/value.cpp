#include "value.h"

#include <algorithm>
#include <numeric>

namespace tenon::frontend {

void refuse(Code code, std::string message, std::string hint) {
  throw Failure{{Diag{.code = code, .message = std::move(message), .hint = std::move(hint)}}};
}

DType Val::type() const { return builder_->graph.values[id_].type; }
const Dims Val::dims() const { return builder_->graph.values[id_].dims; }
const std::optional<Dims> Val::content() const { return builder_->graph.values[id_].content; }
Val Val::like(double number) const { return builder_->scalar(type(), number); }

Vals Builder::emit_all(Op op, const Vals& operands, Attrs attrs, size_t outputs) {
  Node node{.op = op, .inputs = {}, .outputs = std::vector<ValueId>(outputs), .attrs = std::move(attrs)};
  for (Val v : operands) node.inputs.push_back(v.id());
  node.origin = origin;
  checked(add_node(graph, std::move(node)));
  Vals made;
  for (ValueId v : graph.nodes.back().outputs) made.emplace_back(*this, v);
  return made;
}

Val Builder::constant(Constant constant) {
  return {*this, graph.add_constant(origin.name + "_constant", std::move(constant))};
}

Val Builder::scalar(DType type, double number) {
  Tensor t = Tensor::zeros(type, {});
  if (is_float(type)) t.f[0] = number;
  else t.i[0] = static_cast<int64_t>(number);
  round_elements(t);
  return constant({.type = type, .dims = {}, .bytes = Bytes::copy_of(encode(t))});
}

Val Builder::integer(int64_t number) {
  return constant({.type = DType::I64, .dims = {}, .bytes = Bytes::copy_of(std::as_bytes(std::span(&number, 1)))});
}

Val Builder::integers(const std::vector<int64_t>& elements) {
  return constant({.type = DType::I64,
                   .dims = {static_cast<int64_t>(elements.size())},
                   .bytes = Bytes::copy_of(std::as_bytes(std::span(elements)))});
}

Val Builder::reals(const std::vector<double>& elements) {
  std::vector<float> narrow(elements.begin(), elements.end());
  return constant({.type = DType::F32,
                   .dims = {static_cast<int64_t>(narrow.size())},
                   .bytes = Bytes::copy_of(std::as_bytes(std::span(narrow)))});
}

Val Builder::extents(const Dims& elements) {
  std::vector<int64_t> known;
  for (Expr e : elements)
    if (auto n = pool.as_int(e)) known.push_back(*n);
  if (known.size() == elements.size()) return integers(known);
  return emit(Op::extents, {}, Attrs().set<Attr::dims>(elements));
}

Val Builder::iota(DType type, const Dims& dims, int axis) {
  return emit(Op::iota, {}, Attrs().set<Attr::to>(type).set<Attr::dims>(dims).set<Attr::axis>(axis));
}

bool Builder::depends_on_input(Expr e) const {
  std::vector<Expr> vars;
  pool.collect_vars(e, vars);
  return std::ranges::any_of(input_elements, [&](const DataSymbol& d) { return std::ranges::find(vars, d.symbol) != vars.end(); });
}

void Builder::depend_on(Expr e) {
  std::vector<Expr> vars;
  pool.collect_vars(e, vars);
  for (const DataSymbol& element : input_elements)
    if (std::ranges::find(vars, element.symbol) != vars.end() &&
        std::ranges::find(graph.data_symbols, element) == graph.data_symbols.end())
      graph.data_symbols.push_back(element);
}

#define TENON_BINARY(name, op) \
  Val name(Val a, Val b) { return a.builder().emit(Op::op, {a, b}); }
TENON_BINARY(operator+, add)
TENON_BINARY(operator-, sub)
TENON_BINARY(operator*, mul)
TENON_BINARY(operator/, div)
TENON_BINARY(operator<, less)
TENON_BINARY(operator<=, less_equal)
TENON_BINARY(operator==, equal)
TENON_BINARY(max, max)
TENON_BINARY(min, min)
TENON_BINARY(pow, pow)
TENON_BINARY(logical_and, logical_and)
#undef TENON_BINARY

#define TENON_UNARY(name, op) \
  Val name(Val a) { return a.builder().emit(Op::op, {a}); }
TENON_UNARY(operator-, neg)
TENON_UNARY(abs, abs)
TENON_UNARY(exp, exp)
TENON_UNARY(expm1, expm1)
TENON_UNARY(log, log)
TENON_UNARY(log1p, log1p)
TENON_UNARY(sqrt, sqrt)
TENON_UNARY(tanh, tanh)
TENON_UNARY(sigmoid, sigmoid)
TENON_UNARY(erf, erf)
TENON_UNARY(sin, sin)
TENON_UNARY(cos, cos)
TENON_UNARY(floor, floor)
TENON_UNARY(round, round)
#undef TENON_UNARY

Val select(Val condition, Val a, Val b) { return a.builder().emit(Op::select, {condition, a, b}); }

Val cast(Val a, DType type) {
  return a.type() == type ? a : a.builder().emit(Op::cast, {a}, Attrs().set<Attr::to>(type));
}

Val broadcast(Val a, const Dims& dims) {
  return a.dims() == dims ? a : a.builder().emit(Op::broadcast, {a}, Attrs().set<Attr::dims>(dims));
}

Val reshape(Val a, const Dims& dims) {
  return a.dims() == dims ? a : a.builder().emit(Op::reshape, {a}, Attrs().set<Attr::dims>(dims));
}

Val transpose(Val a, std::vector<int64_t> perm) {
  return a.builder().emit(Op::transpose, {a}, Attrs().set<Attr::perm>(std::move(perm)));
}

Val concat(const Vals& parts, int axis) {
  if (parts.size() == 1) return parts[0];
  return parts[0].builder().emit(Op::concat, parts, Attrs().set<Attr::axis>(axis));
}

Val slice(Val a, int axis, Expr start, Expr extent, int64_t step) {
  ExprPool& pool = a.builder().pool;
  Dims dims = a.dims(), starts(dims.size(), pool.index(0));
  std::vector<int64_t> steps(dims.size(), 1);
  auto at = static_cast<size_t>(axis);
  starts[at] = start;
  dims[at] = extent;
  steps[at] = step;
  return a.builder().emit(Op::slice, {a},
                          Attrs().set<Attr::starts>(starts).set<Attr::steps>(steps).set<Attr::dims>(dims));
}

Val pad(Val a, const Dims& begin, const Dims& end, Val value) {
  return a.builder().emit(Op::pad, {a, value},
                          Attrs().set<Attr::pads_begin>(begin).set<Attr::pads_end>(end).set<Attr::mode>("constant"));
}

Val gather(Val data, Val indices, int axis) {
  return data.builder().emit(Op::gather, {data, indices}, Attrs().set<Attr::axis>(axis));
}

Val dot(Val a, Val b) { return a.builder().emit(Op::dot, {a, b}); }

Val reduce(Op op, Val a, std::vector<int64_t> axes, bool keep) {
  return a.builder().emit(op, {a}, Attrs().set<Attr::axes>(std::move(axes)).set<Attr::keep_dims>(keep));
}

Val mean(Val a, const std::vector<int64_t>& axes, bool keep) {
  return reduce(Op::reduce_sum, a, axes, keep) / element_count(a, axes, a.type());
}

Val unsqueeze(Val a, int axis) {
  Dims dims = a.dims();
  dims.insert(dims.begin() + axis, a.builder().pool.index(1));
  return reshape(a, dims);
}

Val squeeze(Val a, int axis) {
  Dims dims = a.dims();
  dims.erase(dims.begin() + axis);
  return reshape(a, dims);
}

Val flatten(Val a, int from, int to) {
  Dims dims = a.dims();
  Expr merged = product(a.builder().pool, std::span(dims).subspan(from, to - from));
  dims.erase(dims.begin() + from, dims.begin() + to);
  dims.insert(dims.begin() + from, merged);
  return reshape(a, dims);
}

Val align_channels(Val a, int axis, int rank) {
  Dims dims(static_cast<size_t>(rank - axis), a.builder().pool.index(1));
  dims[0] = a.dim(0);
  return reshape(a, dims);
}

Expr product(ExprPool& pool, std::span<const Expr> dims) {
  return std::accumulate(dims.begin(), dims.end(), pool.index(1), [&](Expr a, Expr b) { return pool.mul(a, b); });
}

Val scalar_of(Builder& builder, Expr index, DType type) {
  if (auto n = builder.pool.as_int(index)) return builder.scalar(type, static_cast<double>(*n));
  return cast(reshape(builder.extents({index}), {}), type);
}

Val element_count(Val a, const std::vector<int64_t>& axes, DType type) {
  Dims reduced;
  for (int64_t axis : axes) reduced.push_back(a.dim(static_cast<int>(axis)));
  return scalar_of(a.builder(), product(a.builder().pool, reduced), type);
}

}  // namespace tenon::frontend
