// Products of one-hot rows with a constant matrix are its rows, looked up: dot(cast(equal(x, [a, a+1, ...])), w) is
// gather([0; w; 0], x - a + 1), whose index is clamped, so that what is in no row meets zeros. What follows element by
// element is then a function of the row, and is computed in the table, as long as that has no more elements than the result.
// Requires finite matrices (0 * inf is no zero). Exact, but for the sign of zeros. Why here: broadcasts are gone after
// simplify. Cost: linear in nodes and in the tables' bytes.
#include <algorithm>
#include <cmath>

#include "constants.h"

namespace tenon {

namespace {

// a, where the constant is a, a + 1, ... along its last dim, and has no other.
std::optional<int64_t> first_of_range(const Graph& g, ValueId v) {
  const Constant* c = g.constant(v);
  if (!c || !is_integer(c->type) || c->dims.empty() || c->dims.back() != c->count() || c->count() < 2) return std::nullopt;
  constexpr int64_t kMost = int64_t{1} << 53;  // beyond which a double does not hold every integer
  const Tensor t = tensor_of(*c);
  if (t.i[0] < -kMost || t.i[0] > kMost) return std::nullopt;
  for (size_t i = 1; i < t.i.size(); ++i)
    if (t.i[i] != t.i[0] + static_cast<int64_t>(i)) return std::nullopt;
  return t.i[0];
}

Applied one_hot_product(Graph& g, const Node& n) {
  const Node* ones = producer(g, n.inputs[0], Op::cast);
  const Node* found = ones ? producer(g, ones->inputs[0], Op::equal) : nullptr;
  const Constant* matrix = g.constant(n.inputs[1]);
  if (!found || !matrix || !is_float(matrix->type) || matrix->dims.size() != 2) return kNo;
  const Node equal = *found;
  for (size_t k : {0u, 1u}) {
    const ValueId x = equal.inputs[k];
    const auto first = first_of_range(g, equal.inputs[1 - k]);
    std::vector<Expr> dims = g.values[x].dims, picks = g.values[n.outputs[0]].dims;
    picks.pop_back();
    if (!first || dims.empty() || !g.pool.is_index(dims.back(), 1) || g.values[x].type == DType::U64) continue;
    dims.pop_back();
    if (dims != picks || g.constant(equal.inputs[1 - k])->count() != matrix->dims[0]) continue;
    Tensor rows = tensor_of(*matrix);
    if (!std::ranges::all_of(rows.f, [](double v) { return std::isfinite(v); })) return kNo;
    const auto width = static_cast<size_t>(rows.dims[1]);
    rows.f.insert(rows.f.begin(), width, 0);
    rows.f.insert(rows.f.end(), width, 0);
    rows.dims[0] += 2;
    TENON_TRY(const ValueId wide, make(g, n, Op::cast, {x}, Attrs().set<Attr::to>(DType::I64)));
    TENON_TRY(const ValueId shifted, make(g, n, Op::add, {wide, add_number(g, "row", DType::I64, static_cast<double>(1 - *first))}));
    TENON_TRY(const ValueId index, make(g, n, Op::reshape, {shifted}, Attrs().set<Attr::dims>(dims)));
    return make(g, n, Op::gather, {add_tensor(g, "rows", rows), index}, Attrs().set<Attr::axis>(0));
  }
  return kNo;
}

// The table of rows that `v` is looked up in.
const Node* look_up(const Graph& g, ValueId v) {
  const Node* gather = producer(g, v, Op::gather);
  return gather && gather->attrs.get<Attr::axis>() == 0 && g.constant(gather->inputs[0]) ? gather : nullptr;
}

// A constant operand of what is looked up, for the table: the same for every row.
ValueId of_a_row(Graph& g, ValueId v) {
  const Constant* c = g.constant(v);
  if (!c || (!c->dims.empty() && c->count() != c->dims.back())) return kNo;
  if (c->dims.size() <= 1) return v;
  Tensor flat = tensor_of(*c);
  flat.dims = {c->count()};
  return add_tensor(g, g.values[v].name, flat);
}

Applied function_of_rows(Graph& g, const Node& n) {
  ValueId index;
  std::vector<ValueId> operands;
  double elements = 1;
  for (Expr d : g.values[n.outputs[0]].dims) elements *= static_cast<double>(g.pool.as_int(d).value_or(1));
  for (ValueId v : n.inputs) {
    if (!v.valid()) return kNo;
    if (const Node* gather = look_up(g, v)) {
      const Constant& table = *g.constant(gather->inputs[0]);
      const bool fits = table.dims.size() == 2 && static_cast<double>(table.count()) <= elements && g.values[v].dims == g.values[n.outputs[0]].dims;
      if (!fits || (index.valid() && index != gather->inputs[1])) return kNo;
      index = gather->inputs[1];
      operands.push_back(gather->inputs[0]);
    } else if (const ValueId row = of_a_row(g, v); row.valid()) {
      operands.push_back(row);
    } else {
      return kNo;
    }
  }
  if (!index.valid()) return kNo;
  TENON_TRY(const ValueId table, make_folded(g, n, n.op, operands, n.attrs));
  if (!g.constant(table)) return kNo;
  return make(g, n, Op::gather, {table, index}, Attrs().set<Attr::axis>(0));
}

}  // namespace

Result<Graph> look_up_rows(Graph graph) {
  return rewrite(std::move(graph), [](Graph& g, const Node& n) -> Result<std::vector<ValueId>> {
    ValueId by;
    if (n.op == Op::dot) {
      TENON_TRY(by, one_hot_product(g, n));
    } else if (is_pointwise(n.op)) {
      TENON_TRY(by, function_of_rows(g, n));
    }
    return by.valid() ? std::vector{by} : std::vector<ValueId>{};
  });
}

}  // namespace tenon
