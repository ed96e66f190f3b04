// Shapes as values, and values made from shapes.
#include <algorithm>
#include <cmath>

#include "axes.h"
#include "families.h"

namespace tenon::frontend {

namespace {

Vals shape(OnnxNode& n) {
  Dims dims = n[0].dims();
  auto rank = static_cast<int64_t>(dims.size());
  auto bound = [&](std::string_view name, int64_t fallback) {
    int64_t at = n.integer_or(name, fallback);
    return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  int64_t start = bound("start", 0), end = std::max(bound("end", rank), start);
  return {n.b.extents(Dims(dims.begin() + start, dims.begin() + end))};
}

Vals size(OnnxNode& n) { return {scalar_of(n.b, product(n.pool, n[0].dims()), DType::I64)}; }

// An attribute or operand of a constant, spelled in one of many ways.
Vals constant(OnnxNode& n) {
  if (n.has("value")) return {n.b.constant(n.tensor("value"))};
  if (n.has("sparse_value")) return {n.b.constant(n.sparse_tensor("sparse_value"))};
  if (n.has("value_int")) return {n.b.integer(n.integer("value_int"))};
  if (n.has("value_ints")) return {n.b.integers(n.integers("value_ints"))};
  if (n.has("value_float")) return {n.b.scalar(DType::F32, n.real("value_float"))};
  if (n.has("value_floats")) return {n.b.reals(n.reals("value_floats"))};
  refuse(Code::E0303, "Constant of strings is not supported");
}

Vals constant_of_shape(OnnxNode& n) {
  Val value = n.has("value") ? n.b.constant(n.tensor("value")) : n.b.scalar(DType::F32, 0);
  return {broadcast(reshape(value, {}), n.elements(0))};
}

// A float that is a whole number for certain, as an index.
std::optional<Expr> whole(OnnxNode& n, Expr e) {
  ExprPool& p = n.pool;
  if (p.type(e) == DType::Index) return e;
  if (auto number = p.as_double(e))
    return *number == std::floor(*number) && std::abs(*number) < 0x1p31 ? std::optional(p.index(static_cast<int64_t>(*number))) : std::nullopt;
  if (p.op(e) != SOp::Cast || p.type(p.operands(e)[0]) != DType::Index || bits(p.type(e)) < 32) return std::nullopt;
  Expr index = p.operands(e)[0], exact = p.index(int64_t{1} << 24);
  assume(n, p.binary(SOp::Le, index, exact));  // larger ones are rounded
  return index;
}

// ceil((limit - start) / delta), and nothing below zero.
Expr range_extent(OnnxNode& n) {
  ExprPool& p = n.pool;
  if (auto delta = whole(n, n.elements(2).at(0)))
    if (auto start = whole(n, n.elements(0).at(0)), limit = whole(n, n.elements(1).at(0)); start && limit) {
      Expr backwards = p.binary(SOp::Lt, *delta, p.index(0));
      if (p.is_index(*delta, 0)) n.malformed("Range with delta 0");
      assume(n, p.binary(SOp::Ne, *delta, p.index(0)));
      Expr span = p.select(backwards, p.sub(*start, *limit), p.sub(*limit, *start));
      Expr step = p.select(backwards, p.sub(p.index(0), *delta), *delta);
      return p.ceildiv(p.max(span, p.index(0)), p.as_int(step) ? step : p.max(step, p.index(1)));
    }
  if (is_float(n[0].type())) {
    double start = n.constant_real(0), limit = n.constant_real(1), delta = n.constant_real(2);
    double extent = std::max(std::ceil((limit - start) / delta), 0.0);
    n.require(extent < 0x1p40, "Range is too long");
    return p.index(static_cast<int64_t>(extent));
  }
  n.unsupported("operands that are neither constants nor whole numbers");
}

Vals range(OnnxNode& n) {
  Val start = n[0], steps = n.b.iota(start.type(), {range_extent(n)}, 0);
  return {start + steps * n[2]};
}

Vals eye_like(OnnxNode& n) {
  Dims dims = n[0].dims();
  n.require(dims.size() == 2, "EyeLike needs a matrix");
  Val row = n.b.iota(DType::I64, dims, 0), column = n.b.iota(DType::I64, dims, 1);
  DType type = n.has("dtype") ? n.type("dtype") : n[0].type();
  return {cast(row + static_cast<double>(n.integer("k")) == column, type)};
}

Vals trilu(OnnxNode& n) {
  Val x = n[0];
  int rank = x.rank();
  n.require(rank >= 2, "Trilu needs a matrix");
  Dims plane = {x.dim(rank - 2), x.dim(rank - 1)};
  Val row = n.b.iota(DType::I64, plane, 0), column = n.b.iota(DType::I64, plane, 1);
  if (Val k = n.opt(1)) row = row + reshape(k, {});
  return {select(n.flag("upper") ? row <= column : column <= row, x, x.like(0))};
}

Vals identity(OnnxNode& n) { return {n[0]}; }

// Inference: nothing is dropped.
Vals dropout(OnnxNode& n) {
  if (n.opset < 7 && !n.flag("is_test") && n.real_or("ratio", 0.5) != 0)
    n.unsupported("is_test = 0", "export the model for inference");
  Val training = n.opt(2);
  if (training && n.constant_integers(2)[0] != 0 && (!n.opt(1) || n.constant_real(1) != 0))
    n.unsupported("training_mode", "export the model for inference");
  if (!n.wants_output(1)) return {n[0]};
  return {n[0], broadcast(n.b.scalar(DType::Bool, 1), n[0].dims())};
}

constexpr ImportRow kRows[] = {
    {"Constant", constant}, {"ConstantOfShape", constant_of_shape}, {"Dropout", dropout}, {"EyeLike", eye_like},
    {"Identity", identity}, {"Range", range},                       {"Shape", shape},     {"Size", size},
    {"Trilu", trilu},
};

}  // namespace

std::span<const ImportRow> shape_imports() { return kRows; }

}  // namespace tenon::frontend
