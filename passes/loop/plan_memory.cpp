// Does: places every workspace buffer. Known sizes: greedy by size, each at the lowest gap that no buffer
// alive at the same time covers (arXiv 2001.03288). Sizes over symbols: buffers share slots as large as the
// largest that ever lies in them, in the order in which they start to live, so that the offsets hold for
// every binding. Requires: calls in their final order. Guarantees: offsets are multiples of 64; buffers
// that live at the same time do not overlap; 64 bytes of slack behind each, which vector loads may touch. A buffer lives as
// long as something uses it or a part of it.
#include <algorithm>

#include "tenon/passes.h"

namespace tenon {

namespace {

constexpr int64_t kAlign = 64;

struct Life {
  BufferId buffer;
  int first = -1, last = -1;
  std::vector<BufferId> joined = {};  // later buffers in the same memory
};

BufferId memory_of(const Module& m, BufferId b) { return m.buffers[b].whole.valid() ? m.buffers[b].whole : b; }

void touch(std::vector<Life>& lives, BufferId b, int time) {
  Life& life = lives[static_cast<size_t>(b.index)];
  if (life.first < 0) life.first = time;
  life.last = time;
}

// Program order; what a branch or loop body touches lives through the whole statement.
void measure(const Module& m, const std::vector<HostStmt>& body, std::vector<Life>& lives, int& time, bool nested) {
  for (const HostStmt& s : body) {
    if (!nested) ++time;
    for (BufferId b : s.buffers) touch(lives, memory_of(m, b), time);
    measure(m, s.body, lives, time, true);
    measure(m, s.otherwise, lives, time, true);
  }
}

// Every read of `in` is of the element that the same store then writes to `out`.
bool works_in_place(const Kernel& kernel, BufferId in, BufferId out) {
  const ExprPool& pool = kernel.pool;
  auto reads = [&](Expr e) {
    std::vector<Expr> loads;
    if (e.valid()) pool.collect_loads(e, loads);
    std::erase_if(loads, [&](Expr load) { return pool.buffer(load) != in; });
    return loads;
  };
  auto visit = [&](auto&& self, const std::vector<Stmt>& body) -> bool {
    return std::ranges::all_of(body, [&](const Stmt& s) {
      if (std::ranges::find(s.buffers, in) != s.buffers.end() || std::ranges::find(s.buffers, out) != s.buffers.end()) return false;
      if (!reads(s.value).empty() || !reads(s.extent).empty() || !reads(s.lane_limit).empty()) return false;
      for (const Accumulator& a : s.accumulators)
        if (!reads(a.init).empty() || !reads(a.update).empty()) return false;
      for (const TileStore& store : s.stores) {
        if (!reads(store.offset).empty() || !reads(store.condition).empty()) return false;
        for (Expr load : reads(store.value))
          if (store.buffer != out || pool.operands(load)[0] != store.offset) return false;
      }
      return self(self, s.body) && self(self, s.otherwise);
    });
  };
  return bits(kernel.buffers[in].type) == bits(kernel.buffers[out].type) && visit(visit, kernel.body);
}

// Joins the lives of an operand that dies in a call and a result that is born there.
void join_in_place(const Module& m, std::vector<Life>& lives) {
  auto life_of = [&](BufferId b) -> Life& { return lives[static_cast<size_t>(b.index)]; };
  auto workspace = [&](BufferId b) { return m.buffers[b].kind == HostBufferKind::Workspace; };
  int time = 0;
  for (const HostStmt& s : m.host) {
    ++time;
    if (s.kind != HostStmt::Kind::Call) continue;
    for (size_t o = 0; o < s.buffers.size(); ++o)
      for (size_t i = 0; i < s.buffers.size(); ++i) {
        BufferId in = s.buffers[i], out = s.buffers[o];
        if (i == o || !workspace(in) || !workspace(out) || m.buffers[in].bytes != m.buffers[out].bytes) continue;
        if (std::ranges::count(s.buffers, in, [&](BufferId b) { return memory_of(m, b); }) > 1 || life_of(in).last != time || life_of(out).first != time) continue;
        if (!works_in_place(m.kernels[s.kernel], BufferId(i), BufferId(o))) continue;
        Life joined = life_of(in);
        joined.last = life_of(out).last;
        joined.joined.push_back(out);
        // The joined life is kept with the later buffer, so that it can go on from there.
        std::swap(joined.buffer, joined.joined.back());
        life_of(out) = joined;
        life_of(in).first = -1;
      }
  }
}

Expr padded(ExprPool& p, Expr bytes) {
  return p.mul(p.floordiv(p.add(bytes, p.index(2 * kAlign - 1)), p.index(kAlign)), p.index(kAlign));
}

void place(Module& m, const Life& life, Expr offset) {
  m.buffers[life.buffer].offset = offset;
  for (BufferId b : life.joined) m.buffers[b].offset = offset;
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
    place(m, life, m.pool.index(at));
    total = std::max(total, at + need);
  }
  return total;
}

Expr place_symbolic(Module& m, std::vector<Life>& lives) {
  struct Slot {
    Expr size;
    double typical = 0;
    int last = -1;
    std::vector<const Life*> buffers;
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
    best->buffers.push_back(&life);
  }
  Expr offset = m.pool.index(0);
  for (const Slot& s : slots) {
    for (const Life* life : s.buffers) place(m, *life, offset);
    offset = m.pool.add(offset, s.size);
  }
  return offset;
}

}  // namespace

Result<Module> plan_memory(Module module, const Target&) {
  std::vector<Life> lives;
  for (size_t b = 0; b < module.buffers.size(); ++b) lives.push_back({BufferId(b)});
  int time = 0;
  measure(module, module.host, lives, time, false);
  join_in_place(module, lives);
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
