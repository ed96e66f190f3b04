// Changes of element type.
#include <bit>
#include <cmath>

#include "eval.h"
#include "infer.h"
#include "lower.h"
#include "tenon/narrow_float.h"

namespace tenon {

namespace {

// --- cast, as ONNX: floats round half to even (overflow to an 8-bit float saturates unless `saturate` is
// 0), float to integer truncates, anything to bool is `!= 0`, integers wrap.

bool castable(DType type) { return is_float(type) || is_integer(type) || type == DType::Bool; }

Result<Types> infer_cast(Graph& graph, const Node& node) {
  const ValueType x = type_of(graph, node, 0);
  DType to = node.attrs.get<Attr::to>();
  if (!castable(x.type) || !castable(to))
    return type_error("no cast from " + std::string(spelling(x.type)) + " to " + std::string(spelling(to)));
  return Types{{to, x.dims}};
}

bool saturates(const Node& node) {
  DType to = node.attrs.get<Attr::to>();
  return is_float(to) && bits(to) <= 8 && node.attrs.get_or<Attr::saturate>(1) != 0;
}

int64_t truncated(double x) {  // as x86 and the lowering: out of range and NaN give the least integer
  if (x >= 0x1p63 && x < 0x1p64) return std::bit_cast<int64_t>(static_cast<uint64_t>(x));
  return x >= -0x1p63 && x < 0x1p63 ? static_cast<int64_t>(x) : INT64_MIN;
}

std::vector<Tensor> eval_cast(const EvalInput& in) {
  const Tensor& x = input(in, 0);
  Tensor out = make_output(in);
  bool saturate = saturates(in.node);
  for (size_t k = 0; k < static_cast<size_t>(out.count()); ++k) {
    bool from_float = is_float(x.type);
    if (is_float(out.type)) {
      double value = from_float             ? x.f[k]
                     : x.type == DType::U64 ? static_cast<double>(static_cast<uint64_t>(x.i[k]))
                                            : static_cast<double>(x.i[k]);
      out.f[k] = round_to(out.type, value, saturate);
    } else if (out.type == DType::Bool) {
      out.i[k] = from_float ? x.f[k] != 0 : x.i[k] != 0;
    } else {
      out.i[k] = from_float ? truncated(x.f[k]) : x.i[k];
    }
  }
  if (!is_float(out.type)) round_elements(out);
  return one(std::move(out));
}

void lower_cast(LowerInput& in) {
  Lower l(in);
  std::vector<Expr> axes = l.axes(l.dims(l.out()));
  DType to = l.buffer(l.out()).type;
  Expr x = l.load_raw(l.in(0), axes);
  Expr value =
      l.p.type(x) == to ? x : l.p.make(saturates(in.node) ? SOp::CastSat : SOp::Cast, to, std::array{x});
  l.store(l.out(), axes, value);
}

// --- bitcast: the same bits as another type of the same width.

Result<Types> infer_bitcast(Graph& graph, const Node& node) {
  const ValueType x = type_of(graph, node, 0);
  DType to = node.attrs.get<Attr::to>();
  if (!castable(x.type) || !castable(to) || bits(x.type) != bits(to))
    return type_error("no bitcast from " + std::string(spelling(x.type)) + " to " +
                      std::string(spelling(to)));
  return Types{{to, x.dims}};
}

std::vector<Tensor> eval_bitcast(const EvalInput& in) {
  std::vector<std::byte> bytes = encode(input(in, 0));
  return one(decode(in.output_types[0].type, in.output_dims[0], bytes.data(), bytes.size()));
}

void lower_bitcast(LowerInput& in) {
  Lower l(in);
  std::vector<Expr> axes = l.axes(l.dims(l.out()));
  // A bool is a byte in memory only.
  auto stored = [](DType type) { return type == DType::Bool ? DType::U8 : type; };
  Expr x = l.load_raw(l.in(0), axes);
  x = l.p.cast(x, stored(l.p.type(x)));
  DType to = stored(l.buffer(l.out()).type);
  l.store(l.out(), axes, l.p.type(x) == to ? x : l.p.make(SOp::Bitcast, to, std::array{x}));
}

}  // namespace

constexpr OpDef def_cast{.name = "cast",
                         .kind = OpKind::Elementwise,
                         .attrs = {Attr::to, Attr::saturate},
                         .needs = {Attr::to},
                         .infer = infer_cast,
                         .eval = eval_cast,
                         .lower = lower_cast,
                         .scalar = SOp::Cast,
                         .roundings = 1};
constexpr OpDef def_bitcast{.name = "bitcast",
                            .kind = OpKind::Elementwise,
                            .attrs = {Attr::to},
                            .needs = {Attr::to},
                            .infer = infer_bitcast,
                            .eval = eval_bitcast,
                            .lower = lower_bitcast,
                            .scalar = SOp::Bitcast};

static_assert(complete(def_cast) && complete(def_bitcast));

}  // namespace tenon
