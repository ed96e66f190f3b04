// Does: drops the taps of a convolution that only ever meet padding, as those of a large dilation on a small map
// do (the outer taps of an ASPP head leave a 1x1 kernel). Requires: constants folded, since weights are sliced.
// Guarantees: same result; the taps left out are finite numbers times zero. Why here: before anything counts work.
// Cost: linear in the weights that change.
#include <algorithm>
#include <cmath>

#include "constants.h"

namespace tenon {

namespace {

struct Kept {
  int64_t first = 0, last = 0;  // taps, inclusive
};

// Tap k of output i reads i * stride + k * dilation - begin, which rises in both.
std::optional<Kept> kept_taps(int64_t taps, int64_t extent, int64_t outputs, int64_t stride, int64_t dilation, int64_t begin) {
  Kept kept{0, taps - 1};
  while (kept.first <= kept.last && (outputs - 1) * stride + kept.first * dilation - begin < 0) ++kept.first;
  while (kept.first <= kept.last && kept.last * dilation - begin >= extent) --kept.last;
  if (kept.first > kept.last || (kept.first == 0 && kept.last == taps - 1)) return std::nullopt;
  return kept;
}

Result<std::vector<ValueId>> trim(Graph& g, const Node& n) {
  // A pad value is met by idle taps too.
  if (n.op != Op::conv || n.inputs.size() != 2 || !g.constant(n.inputs[1])) return {};
  ExprPool& p = g.pool;
  const std::vector<Expr> x = g.values[n.inputs[0]].dims, w = g.values[n.inputs[1]].dims, y = g.values[n.outputs[0]].dims;
  const size_t rank = x.size() - 2;
  const std::vector<int64_t> ones(rank, 1);
  const std::vector<Expr> zeros(rank, p.index(0));
  auto strides = n.attrs.get_or<Attr::strides>(ones), dilations = n.attrs.get_or<Attr::dilations>(ones);
  auto begin = n.attrs.get_or<Attr::pads_begin>(zeros), end = n.attrs.get_or<Attr::pads_end>(zeros);
  std::vector<Expr> starts(w.size(), p.index(0)), extents = w;
  bool changed = false;
  for (size_t d = 0; d < rank; ++d) {
    auto extent = p.as_int(x[d + 2]), taps = p.as_int(w[d + 2]), outputs = p.as_int(y[d + 2]), pad = p.as_int(begin[d]);
    if (!extent || !taps || !outputs || !pad || *outputs < 1) continue;
    auto kept = kept_taps(*taps, *extent, *outputs, strides[d], dilations[d], *pad);
    if (!kept) continue;
    const int64_t left = kept->last - kept->first + 1, first = *pad - kept->first * dilations[d];
    if (left == 1) dilations[d] = 1;
    const int64_t reach = (*outputs - 1) * strides[d] + (left - 1) * dilations[d] + 1;
    starts[d + 2] = p.index(kept->first);
    extents[d + 2] = p.index(left);
    begin[d] = p.index(first);
    end[d] = p.index(reach - *extent - first);
    changed = true;
  }
  if (!changed) return {};
  const Tensor weights = tensor_of(*g.constant(n.inputs[1]));
  if (!std::ranges::all_of(weights.f, [](double v) { return std::isfinite(v); })) return {};
  Attrs slice, conv = n.attrs;
  slice.set<Attr::starts>(starts).set<Attr::steps>(std::vector<int64_t>(w.size(), 1)).set<Attr::dims>(extents);
  TENON_TRY(ValueId trimmed, make_folded(g, n, Op::slice, {n.inputs[1]}, slice));
  conv.set<Attr::strides>(strides).set<Attr::dilations>(dilations).set<Attr::pads_begin>(begin).set<Attr::pads_end>(end);
  TENON_TRY(ValueId out, make(g, n, Op::conv, {n.inputs[0], trimmed}, conv));
  return std::vector{out};
}

}  // namespace

Result<Graph> trim_taps(Graph graph) { return rewrite(std::move(graph), trim); }

}  // namespace tenon
