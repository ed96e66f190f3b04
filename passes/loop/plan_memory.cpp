// Does: places every workspace buffer. Known sizes: greedy by size, each at the lowest gap that no buffer
// alive at the same time covers (arXiv 2001.03288). Sizes over symbols: buffers share slots as large as the
// largest that ever lies in them, in the order in which they start to live, so that the offsets hold for
// every binding. Requires: calls in their final order. Guarantees: offsets are multiples of 64; buffers
// that live at the same time do not overlap; 64 bytes of slack behind each, which vector loads may touch.
#include <algorithm>

#include "tenon/passes.h"

namespace tenon {

namespace {

constexpr int64_t kAlign = 64;

struct Life {
  BufferId buffer;
  int first = -1, last = -1;
};

void touch(std::vector<Life>& lives, BufferId b, int time) {
  Life& life = lives[static_cast<size_t>(b.index)];
  if (life.first < 0) life.first = time;
  life.last = time;
}

// Program order; what a branch or loop body touches lives through the whole statement.
void measure(const std::vector<HostStmt>& body, std::vector<Life>& lives, int& time, bool nested) {
  for (const HostStmt& s : body) {
    if (!nested) ++time;
    for (BufferId b : s.buffers) touch(lives, b, time);
    measure(s.body, lives, time, true);
    measure(s.otherwise, lives, time, true);
  }
}

Expr padded(ExprPool& p, Expr bytes) {
  return p.mul(p.floordiv(p.add(bytes, p.index(2 * kAlign - 1)), p.index(kAlign)), p.index(kAlign));
}

bool overlap(const Life& a, const Life& b) { return a.first <= b.last && b.first <= a.last; }

int64_t place_known(Module& m, std::vector<Life>& lives) {
  struct Placed {
    Life life;
    int64_t begin, end;
  };
  auto size = [&](const Life& l) { return *m.pool.as_int(padded(m.pool, m.buffers[l.buffer].bytes)); };
  std::ranges::stable_sort(lives, std::greater<>{}, size);
  std::vector<Placed> placed;  // by begin
  int64_t total = 0;
  for (const Life& life : lives) {
    int64_t at = 0, need = size(life);
    for (const Placed& other : placed)
      if (overlap(life, other.life) && at + need > other.begin) at = std::max(at, other.end);
    placed.insert(std::ranges::upper_bound(placed, at, {}, &Placed::begin), {life, at, at + need});
    m.buffers[life.buffer].offset = m.pool.index(at);
    total = std::max(total, at + need);
  }
  return total;
}

Expr place_symbolic(Module& m, std::vector<Life>& lives) {
  struct Slot {
    Expr size;
    double typical = 0;
    int last = -1;
    std::vector<BufferId> buffers;
  };
  // Slots are matched by size at one typical binding; correct for every other.
  ExprPool::Bindings typical;
  for (Expr s : m.symbols)
    typical[s] = std::clamp<int64_t>(64, m.pool.var(s).lo, std::max(m.pool.var(s).lo, m.pool.var(s).hi));
  std::ranges::stable_sort(lives, {}, &Life::first);
  std::vector<Slot> slots;
  for (const Life& life : lives) {
    Expr bytes = padded(m.pool, m.buffers[life.buffer].bytes);
    double size = static_cast<double>(m.pool.evaluate(bytes, typical).value_or(0));
    Slot* best = nullptr;
    auto misfit = [&](const Slot& s) { return std::abs(s.typical - size); };
    for (Slot& s : slots)
      if (s.last < life.first && (!best || misfit(s) < misfit(*best))) best = &s;
    if (!best) best = &slots.emplace_back(Slot{bytes});
    best->size = m.pool.max(best->size, bytes);
    best->typical = std::max(best->typical, size);
    best->last = life.last;
    best->buffers.push_back(life.buffer);
  }
  Expr offset = m.pool.index(0);
  for (const Slot& s : slots) {
    for (BufferId b : s.buffers) m.buffers[b].offset = offset;
    offset = m.pool.add(offset, s.size);
  }
  return offset;
}

}  // namespace

Result<Module> plan_memory(Module module, const Target&) {
  std::vector<Life> lives;
  for (size_t b = 0; b < module.buffers.size(); ++b) lives.push_back({BufferId(b)});
  int time = 0;
  measure(module.host, lives, time, false);
  std::erase_if(lives, [&](const Life& l) {
    return module.buffers[l.buffer].kind != HostBufferKind::Workspace || l.first < 0;
  });
  bool known = std::ranges::all_of(lives, [&](const Life& l) {
    return module.pool.as_int(module.buffers[l.buffer].bytes).has_value();
  });
  module.workspace_bytes = known ? module.pool.index(place_known(module, lives)) : place_symbolic(module, lives);

  // Scratch of one worker: the kernel that needs most.
  Expr scratch = module.pool.index(0);
  for (const Kernel& kernel : module.kernels) {
    ExprPool::Importer importer{kernel.pool};
    Expr sum = module.pool.index(0);
    for (const LoopBuffer& b : kernel.buffers) {
      if (b.space != Space::Scratch) continue;
      Expr bits_needed = module.pool.mul(module.pool.import(importer, b.size), module.pool.index(std::max(8, bits(b.type))));
      sum = module.pool.add(sum, padded(module.pool, module.pool.ceildiv(bits_needed, module.pool.index(8))));
    }
    scratch = module.pool.max(scratch, sum);
  }
  module.scratch_bytes = scratch;
  return module;
}

}  // namespace tenon
