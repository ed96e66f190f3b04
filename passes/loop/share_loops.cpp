// Producers computed at an axis. All statements of a region stand under loops over the leading axes of the last one;
// of the last of these axes a block of steps is taken at a time. Each temporary is folded into scratch that holds
// what one block needs of it, each statement goes through the positions that this takes: src/ops/attach.cpp.
#include <algorithm>

#include "nest.h"
#include "tenon/plan.h"

namespace tenon {

namespace {

// A step of the loops: where each shared axis starts, and how many of its positions are taken.
struct Block {
  std::vector<Expr> base, size;
};

class LoopSharer {
 public:
  LoopSharer(Region& region, Attachment attachment, Store<BufferId, BufferPlace>& places)
      : region_(region), pool_(region.pool), attachment_(std::move(attachment)), places_(places) {}

  SharedLoops run(int64_t steps) {
    SharedLoops out;
    Block block;
    const std::vector<Expr>& shared = attachment_.shared;
    for (Expr axis : shared) {
      out.loops.push_back(axis);
      block.base.push_back(axis);
      block.size.push_back(pool_.index(1));
    }
    Block tail = block;
    if (!shared.empty() && steps > 1) {
      const Expr extent = pool_.var(shared.back()).extent, size = pool_.index(steps);
      const auto known = pool_.as_int(extent);
      Expr v = pool_.axis(pool_.var(shared.back()).name + "_part", pool_.ceildiv(extent, size));
      Expr base = pool_.mul(v, size);
      out.loops.back() = v;
      block.base.back() = tail.base.back() = base;
      // A block of an extent that only the run knows is as long as what is left.
      block.size.back() = known ? pool_.index(std::min(*known, steps)) : pool_.min(size, pool_.sub(extent, base));
      if (known && *known > steps && *known % steps != 0) {
        out.full = pool_.floordiv(extent, size);
        tail.size.back() = pool_.mod(extent, size);
      }
      if (known && *known <= steps) {
        out.loops.pop_back();
        block.base.back() = pool_.index(0);
      }
      fold(block, pool_.index(known ? std::min(*known, steps) : steps));
    } else {
      fold(block, pool_.index(1));
    }
    for (size_t i = 0; i < region_.statements.size(); ++i)
      (attachment_.before[i] ? out.before : out.inside).push_back(i);
    for (size_t i : out.inside) out.body.push_back(at(i, block));
    for (size_t i : out.inside)
      if (out.full.valid()) out.tail.push_back(at(i, tail));
    return out;
  }

 private:
  Expr begin(const Span& s, const Block& block) {
    Expr base = block.base[static_cast<size_t>(s.shared)];
    return pool_.add(pool_.mul(pool_.index(s.step), base), pool_.index(s.first));
  }
  Expr extent(const Span& s, Expr size) {
    return pool_.add(pool_.mul(pool_.index(s.step), pool_.sub(size, pool_.index(1))), pool_.index(s.reach + 1));
  }

  void fold(const Block& block, Expr largest) {
    for (size_t b = 0; b < region_.buffers.size(); ++b) {
      const RegionBuffer& buffer = region_.buffers[BufferId(b)];
      const std::vector<Span>& spans = attachment_.buffers[b];
      if (buffer.is_input || buffer.is_output || spans.empty()) continue;
      BufferPlace& place = places_[BufferId(b)];
      if (std::ranges::all_of(spans, [](const Span& s) { return s.shared < 0; })) continue;
      for (size_t d = 0; d < spans.size(); ++d) {
        const bool last = spans[d].shared + 1 == static_cast<int>(attachment_.shared.size());
        place.origin.push_back(spans[d].shared < 0 ? pool_.index(0) : begin(spans[d], block));
        place.extents.push_back(spans[d].shared < 0 ? buffer.dims[d] : extent(spans[d], last ? largest : pool_.index(1)));
      }
    }
  }

  // The statement for one block.
  Statement at(size_t i, const Block& block) {
    Statement s = region_.statements[i];
    ExprPool::Substitution moved;
    std::vector<Expr> axes;
    for (size_t a = 0; a < s.axes.size(); ++a) {
      const Span& span = attachment_.axes[i][a];
      if (span.shared < 0) {
        axes.push_back(s.axes[a]);
        continue;
      }
      Expr size = extent(span, block.size[static_cast<size_t>(span.shared)]);
      Expr first = begin(span, block);
      if (pool_.is_index(size, 1)) {
        moved[s.axes[a]] = first;
        continue;
      }
      axes.push_back(pool_.axis(pool_.var(s.axes[a]).name, size));
      moved[s.axes[a]] = pool_.add(first, axes.back());
    }
    s.axes = std::move(axes);
    s.substitute(pool_, moved);
    return s;
  }

  Region& region_;
  ExprPool& pool_;
  Attachment attachment_;
  Store<BufferId, BufferPlace>& places_;
};

// A temporary that is made, element by element, from one that is read for the last time takes its place.
void reuse_temporaries(Region& region) {
  ExprPool& pool = region.pool;
  auto temporary = [&](BufferId b) { return !region.buffers[b].is_input && !region.buffers[b].is_output; };
  auto loads_of = [&](Statement& s) {
    std::vector<Expr> loads;
    s.each_expr([&](Expr e) { pool.collect_loads(e, loads); });
    return loads;
  };
  auto touches = [&](Statement& s, BufferId b) {
    return s.out == b || std::ranges::any_of(loads_of(s), [&](Expr load) { return pool.buffer(load) == b; });
  };
  for (size_t i = 0; i < region.statements.size(); ++i) {
    Statement& s = region.statements[i];
    if (!temporary(s.out) || !s.reduce_axes.empty() || s.scan || s.condition.valid() || !s.routine.empty()) continue;
    if (std::ranges::count(region.statements, s.out, &Statement::out) != 1) continue;
    for (Expr load : loads_of(s)) {
      const BufferId from = pool.buffer(load), to = s.out;
      auto in_place = [&](Expr other) {
        return pool.buffer(other) != from || std::ranges::equal(pool.operands(other), s.indices);
      };
      if (!temporary(from) || region.buffers[from].type != region.buffers[to].type || region.buffers[from].dims != region.buffers[to].dims ||
          !std::ranges::all_of(loads_of(s), in_place))
        continue;
      if (std::any_of(region.statements.begin() + static_cast<ptrdiff_t>(i) + 1, region.statements.end(), [&](Statement& later) { return touches(later, from); }))
        continue;
      auto rename = [&](Expr other, std::span<const Expr> indices) {
        BufferId b = pool.buffer(other) == to ? from : pool.buffer(other);
        return pool.load(b, pool.type(other), indices);
      };
      s.out = from;
      for (size_t j = i + 1; j < region.statements.size(); ++j)
        region.statements[j].each_expr([&](Expr& e) { e = pool.map_loads(e, rename); });
      break;
    }
  }
}

}  // namespace

Result<SharedLoops> share_loops(Region& region, const Graph& graph, std::vector<Expr> shared, int64_t block, bool parts,
                                Store<BufferId, BufferPlace>& places) {
  if (block < 0) return fail(Code::E0403, "region " + region.name + ": attach_block is negative", "0, or how many steps to take at a time");
  TENON_TRY(Attachment attachment, attach(graph, region, std::move(shared), parts));
  reuse_temporaries(region);
  return LoopSharer(region, std::move(attachment), places).run(block);
}

}  // namespace tenon
