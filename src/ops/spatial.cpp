#include "spatial.h"

#include <algorithm>

namespace tenon {

Result<Spatial> spatial_of(Graph& graph, const Node& node, size_t rank) {
  const std::vector<int64_t> ones(rank, 1);
  const std::vector<Expr> zeros(rank, graph.pool.index(0));
  Spatial s{node.attrs.get_or<Attr::strides>(ones), node.attrs.get_or<Attr::dilations>(ones),
            node.attrs.get_or<Attr::pads_begin>(zeros), node.attrs.get_or<Attr::pads_end>(zeros)};
  auto positive = [](int64_t v) { return v > 0; };
  if (s.strides.size() != rank || s.dilations.size() != rank || s.begin.size() != rank || s.end.size() != rank)
    return fail(Code::E0206, "strides, dilations and pads must have one entry per spatial dim");
  if (!std::ranges::all_of(s.strides, positive) || !std::ranges::all_of(s.dilations, positive))
    return fail(Code::E0206, "strides and dilations must be positive");
  return s;
}

Spatial spatial_of(Lower& l, size_t rank) {
  const std::vector<int64_t> ones(rank, 1);
  Spatial s{l.attrs().get_or<Attr::strides>(ones), l.attrs().get_or<Attr::dilations>(ones), {}, {}};
  auto pads = [&](const AttrValue* dims) {
    std::vector<Expr> result(rank, l.p.index(0));
    if (dims) std::ranges::transform(std::get<attr::Dims>(*dims), result.begin(), l.in_.dim);
    return result;
  };
  s.begin = pads(l.attrs().find(Attr::pads_begin));
  s.end = pads(l.attrs().find(Attr::pads_end));
  return s;
}

Result<std::vector<Expr>> window_extents(Graph& graph, const Spatial& s, std::span<const Expr> extents,
                                         std::span<const Expr> kernel) {
  ExprPool& p = graph.pool;
  std::vector<Expr> result;
  for (size_t d = 0; d < extents.size(); ++d) {
    Expr padded = p.add(p.add(extents[d], s.begin[d]), s.end[d]);
    Expr reach = p.mul(p.sub(kernel[d], p.index(1)), p.index(s.dilations[d]));
    Expr last = p.floordiv(p.sub(p.sub(padded, reach), p.index(1)), p.index(s.strides[d]));
    result.push_back(p.add(last, p.index(1)));
    if (auto extent = p.as_int(result.back()); extent && *extent < 0)
      return fail(Code::E0204, "the window is larger than the padded input along spatial dim " + std::to_string(d));
  }
  return result;
}

Expr reduce_axis(Lower& l, std::string name, Expr extent, std::vector<Expr>& axes) {
  if (l.p.is_index(extent, 1)) return l.p.index(0);
  axes.push_back(l.p.axis(std::move(name), extent));
  return axes.back();
}

void store_reduced(Lower& l, BufferId out, std::vector<Expr> axes, std::vector<Expr> reduce,
                   std::vector<Accumulator> accumulators, Expr value) {
  if (reduce.empty()) {
    ExprPool::Substitution start, step;
    for (const Accumulator& a : accumulators) start[a.var] = a.init;
    for (const Accumulator& a : accumulators) step[a.var] = l.p.substitute(a.update, start);
    value = l.p.substitute(value, step);
    accumulators.clear();
  }
  Statement& s = l.store(out, std::move(axes), value);
  s.reduce_axes = std::move(reduce);
  s.accumulators = std::move(accumulators);
}

Taps::Taps(const EvalInput& input, std::span<const int64_t> outputs, std::span<const int64_t> extents,
           std::span<const int64_t> window)
    : out(outputs.begin(), outputs.end()), in(extents.begin(), extents.end()), kernel(window.begin(), window.end()) {
  const Attrs& attrs = input.node.attrs;
  const std::vector<int64_t> ones(out.size(), 1);
  strides = attrs.get_or<Attr::strides>(ones);
  dilations = attrs.get_or<Attr::dilations>(ones);
  begin = attrs.has(Attr::pads_begin) ? input.dims(Attr::pads_begin) : std::vector<int64_t>(out.size(), 0);
}

std::vector<int64_t> Taps::offsets(int64_t first, int64_t last) const {
  std::vector<int64_t> table;
  table.reserve(static_cast<size_t>(taps() * (last - first)));
  for (int64_t tap = 0; tap < taps(); ++tap)
    for (int64_t position = first; position < last; ++position) {
      int64_t offset = 0, scale = 1, i = position, k = tap;
      for (size_t d = out.size(); d-- > 0;) {
        int64_t at = i % out[d] * strides[d] + k % kernel[d] * dilations[d] - begin[d];
        offset = at < 0 || at >= in[d] || offset < 0 ? -1 : offset + at * scale;
        scale *= in[d];
        i /= out[d];
        k /= kernel[d];
      }
      table.push_back(offset);
    }
  return table;
}

}  // namespace tenon
