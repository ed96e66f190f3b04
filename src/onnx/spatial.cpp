#include "spatial.h"

#include <algorithm>

namespace tenon::frontend {

namespace {

std::vector<int64_t> per_dim(OnnxNode& n, std::string_view name, size_t rank, int64_t fallback) {
  std::vector<int64_t> list = n.integers(name);
  if (list.empty()) list.assign(rank, fallback);
  bool positive = std::ranges::all_of(list, [](int64_t v) { return v > 0 && v <= INT32_MAX; });
  if (list.size() != rank || !positive) n.malformed("attribute '" + std::string(name) + "' does not fit " + std::to_string(rank) + " spatial dims");
  return list;
}

}  // namespace

int64_t reach(const Window& w, size_t d) { return (w.kernel[d] - 1) * w.dilations[d] + 1; }

Window window_of(OnnxNode& n, const Dims& extents, std::vector<int64_t> kernel) {
  ExprPool& p = n.pool;
  size_t rank = extents.size();
  Window w;
  w.kernel = n.has("kernel_shape") || kernel.empty() ? per_dim(n, "kernel_shape", rank, 0) : std::move(kernel);
  w.strides = per_dim(n, "strides", rank, 1);
  w.dilations = per_dim(n, "dilations", rank, 1);
  std::vector<int64_t> pads = n.integers("pads");
  if (pads.empty()) pads.assign(2 * rank, 0);
  if (pads.size() != 2 * rank) n.malformed("pads must have two entries for every spatial dim");
  std::string automatic = n.text_or("auto_pad", "NOTSET");
  if (automatic == "VALID") std::ranges::fill(pads, 0);
  for (size_t d = 0; d < rank; ++d) {
    w.begin.push_back(p.index(pads[d]));
    w.end.push_back(p.index(pads[d + rank]));
    if (automatic != "SAME_UPPER" && automatic != "SAME_LOWER") continue;
    // As much as ceil(extent / stride) outputs need, the odd one at the named end.
    Expr steps = p.sub(p.ceildiv(extents[d], p.index(w.strides[d])), p.index(1));
    Expr needed = p.add(p.mul(steps, p.index(w.strides[d])), p.index(reach(w, d)));
    Expr total = p.max(p.sub(needed, extents[d]), p.index(0)), half = p.floordiv(total, p.index(2));
    w.begin[d] = automatic == "SAME_UPPER" ? half : p.sub(total, half);
    w.end[d] = p.sub(total, w.begin[d]);
  }
  return w;
}

Attrs window_attrs(const Window& w) {
  return Attrs()
      .set<Attr::strides>(w.strides)
      .set<Attr::dilations>(w.dilations)
      .set<Attr::pads_begin>(w.begin)
      .set<Attr::pads_end>(w.end);
}

}  // namespace tenon::frontend
