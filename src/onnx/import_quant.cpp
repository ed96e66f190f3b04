// QuantizeLinear and its kin.
#include <algorithm>

#include "families.h"
#include "quant.h"

namespace tenon::frontend {

namespace {

bool per_tensor(Val scale) {
  Dims dims = scale.dims();
  return std::ranges::all_of(dims, [&](Expr d) { return scale.builder().pool.is_index(d, 1); });
}

Val linear(Op op, Val x, Val scale, Val zero_point, Attrs attrs, int64_t block) {
  if (block == 0 && per_tensor(scale)) {
    scale = reshape(scale, {});
    if (zero_point) zero_point = reshape(zero_point, {});
  }
  Vals operands = {x, scale};
  if (zero_point) operands.push_back(zero_point);
  return x.builder().emit(op, operands, std::move(attrs));
}

Attrs attrs_of(OnnxNode& n) {
  Attrs attrs;
  int rank = n[0].rank();
  if (n.has("axis") && rank > 0 && n[1].rank() > 0 && !per_tensor(n[1])) attrs.set<Attr::axis>(n.axis("axis", rank));
  else attrs.set<Attr::axis>(0);
  if (int64_t block = n.integer_or("block_size", 0)) attrs.set<Attr::block>(block);
  return attrs;
}

Vals quantize_linear(OnnxNode& n) {
  Attrs attrs = attrs_of(n);
  if (!n.opt(2) && n.integer_or("output_dtype", 0) != 0) attrs.set<Attr::to>(n.type("output_dtype"));
  attrs.set<Attr::saturate>(n.integer_or("saturate", 1));
  return {linear(Op::quantize, n[0], n[1], n.opt(2), attrs, n.integer_or("block_size", 0))};
}

Vals dequantize_linear(OnnxNode& n) {
  Attrs attrs = attrs_of(n);
  if (n.integer_or("output_dtype", 0) != 0) attrs.set<Attr::to>(n.type("output_dtype"));
  return {linear(Op::dequantize, n[0], n[1], n.opt(2), attrs, n.integer_or("block_size", 0))};
}

// u8 over the range of x, which includes 0.
Vals dynamic_quantize_linear(OnnxNode& n) {
  Val x = n[0];
  std::vector<int64_t> all;
  for (int d = 0; d < x.rank(); ++d) all.push_back(d);
  Val low = min(reduce(Op::reduce_min, x, all, false), 0.0), high = max(reduce(Op::reduce_max, x, all, false), 0.0);
  Val scale = (high - low) / 255.0;
  Val zero_point = cast(round(min(max(-low / scale, 0.0), 255.0)), DType::U8);
  return {quantize(x, scale, zero_point, 0), scale, zero_point};
}

constexpr ImportRow kRows[] = {{"DequantizeLinear", dequantize_linear},
                               {"DynamicQuantizeLinear", dynamic_quantize_linear},
                               {"QuantizeLinear", quantize_linear}};

}  // namespace

Val quantize(Val x, Val scale, Val zero_point, int axis) {
  return linear(Op::quantize, x, scale, zero_point, Attrs().set<Attr::axis>(axis), 0);
}
Val dequantize(Val q, Val scale, Val zero_point, int axis) {
  return linear(Op::dequantize, q, scale, zero_point, Attrs().set<Attr::axis>(axis), 0);
}

Val nonzero(Val zero_point) {
  if (!zero_point) return {};
  auto content = zero_point.content();
  const ExprPool& pool = zero_point.builder().pool;
  bool zero = content && std::ranges::all_of(*content, [&](Expr e) { return pool.is_index(e, 0); });
  return zero ? Val{} : zero_point;
}

std::span<const ImportRow> quant_imports() { return kRows; }

}  // namespace tenon::frontend
