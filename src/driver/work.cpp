// Every element of an output takes the same work, so a kernel's is: elements written x work per element. Elements
// written are counted by the loops and never more than the buffer has; where loops have remainders, which can be
// counted only roughly, this is what makes the figure exact.
#include "work.h"

#include <algorithm>

#include "tenon/onednn_words.h"

namespace tenon {

namespace {

class Counter {
 public:
  explicit Counter(const Kernel& kernel) : kernel_(kernel), pool(kernel.pool) {}

  // `constant`: which params are constants of the model.
  std::optional<CallWork> run(const std::vector<bool>& constant) {
    const Counts counts = walk(kernel_.body);
    if (!known_) return std::nullopt;
    CallWork work{.multiply_adds = within_, .bytes = pool.index(0), .constant_bytes = pool.index(0)};
    if (calls_library(kernel_)) work.multiply_adds["f32"] = pool.index(library_products());
    for (const auto& [buffer, points] : counts.written) {
      auto products = per_point_.find(buffer);
      if (products == per_point_.end()) continue;
      for (const auto& [type, each] : products->second) add(work.multiply_adds, type, pool.mul(capped(buffer, points), each));
    }
    for (const auto* accesses : {&counts.read, &counts.written})
      for (const auto& [buffer, elements] : *accesses)
        if (const LoopBuffer& info = kernel_.buffers[buffer]; info.space == Space::Param) {
          const Expr bytes = pool.ceildiv(pool.mul(capped(buffer, elements), pool.index(bits(info.type))), pool.index(8));
          work.bytes = pool.add(work.bytes, bytes);
          if (constant[static_cast<size_t>(buffer.index)]) work.constant_bytes = pool.add(work.constant_bytes, bytes);
        }
    return work;
  }

 private:
  // Results of the call times the products summed into each.
  int64_t library_products() const {
    const std::vector<Expr>& words = kernel_.body[0].scalars;
    auto word = [&](int64_t at) { return *kernel_.pool.as_int(words[static_cast<size_t>(at)]); };
    const int64_t rank = word(1), results = static_cast<int64_t>(words.size()) - 2 * rank;
    const bool convolves = word(0) == TN_CONVOLUTION;
    int64_t products = 1;
    for (int64_t d = 0; d < rank; ++d) products *= word(results + d);
    const int64_t shapes = TN_WORDS_HEAD + (convolves ? 4 * (rank - 2) : 0) + TN_WORDS_POST * word(4), weights = shapes + 2 * rank;
    if (!convolves) return products * word(shapes + rank - 1);
    for (int64_t d = 1; d < rank; ++d) products *= word(weights + d);
    return products;
  }
  using Elements = std::map<BufferId, Expr>;
  struct Counts {
    Elements read, written;
  };
  struct Loop {
    Expr var, trips;
  };
  struct Branch {
    Expr var, extent, part;  // `part` of the variable's `extent` values lead here
  };

  template <class Key>
  void add(std::map<Key, Expr>& to, const Key& key, Expr value) {
    auto [at, fresh] = to.emplace(key, value);
    if (!fresh) at->second = pool.add(at->second, value);
  }
  void add(Elements& to, const Elements& from) {
    for (const auto& [buffer, value] : from) add(to, buffer, value);
  }
  void most(Elements& to, const Elements& from) {
    for (const auto& [buffer, value] : from)
      if (auto [at, fresh] = to.emplace(buffer, value); !fresh) at->second = pool.max(at->second, value);
  }

  Expr capped(BufferId buffer, Expr elements) {
    const LoopBuffer& info = kernel_.buffers[buffer];
    return info.space == Space::Param ? pool.min(elements, info.size) : elements;
  }

  bool over_symbols(Expr e) const {
    std::vector<Expr> vars, loads;
    pool.collect_vars(e, vars);
    pool.collect_loads(e, loads);
    return loads.empty() && std::ranges::all_of(vars, [&](Expr v) { return std::ranges::find(kernel_.symbols, v) != kernel_.symbols.end(); });
  }

  // The most that an extent can be, over the symbols.
  Expr most_of(Expr extent) {
    if (over_symbols(extent)) return extent;
    Expr best = {};
    if (pool.op(extent) == SOp::Min)
      for (Expr operand : std::vector<Expr>(pool.operands(extent).begin(), pool.operands(extent).end()))
        if (over_symbols(operand)) best = best.valid() ? pool.min(best, operand) : operand;
    if (best.valid()) return best;
    const int64_t hi = pool.bounds(extent).second;
    known_ = known_ && hi < kIndexMax;
    return pool.index(hi);
  }

  // Variables that an expression depends on, also through the Lets.
  void depends(Expr e, std::vector<Expr>& out) const {
    std::vector<Expr> vars;
    pool.collect_vars(e, vars);
    for (Expr var : vars) {
      out.push_back(var);
      if (auto let = lets_.find(var); let != lets_.end()) out.insert(out.end(), let->second.begin(), let->second.end());
    }
  }

  // Trips of the enclosing loops that `offset` depends on, and of the others.
  std::pair<Expr, Expr> split(Expr offset) {
    std::vector<Expr> vars;
    depends(offset, vars);
    std::pair<Expr, Expr> trips{pool.index(1), pool.index(1)};
    for (const Loop& loop : loops_) {
      Expr& all = std::ranges::find(vars, loop.var) != vars.end() ? trips.first : trips.second;
      all = pool.mul(all, loop.trips);
    }
    for (const Branch& branch : branches_) {
      Expr& all = std::ranges::find(vars, branch.var) != vars.end() ? trips.first : trips.second;
      all = pool.floordiv(pool.mul(all, branch.part), branch.extent);
    }
    return trips;
  }

  void read(Expr value, Counts& counts) {
    std::vector<Expr> loads;
    pool.collect_loads(value, loads);
    for (Expr load : loads) add(counts.read, pool.buffer(load), split(load).first);
  }

  // Products that `update` sums up: the terms of the sum that are products.
  void count_products(Expr update, std::map<std::string, int64_t>& products) {
    const SOp op = pool.op(update);
    if (op == SOp::Add || op == SOp::Sub) {
      for (Expr operand : std::vector<Expr>(pool.operands(update).begin(), pool.operands(update).end()))
        count_products(operand, products);
    } else if (op == SOp::Mul || op == SOp::Fma) {
      std::vector<Expr> loads;
      pool.collect_loads(update, loads);
      const bool bytes = !is_float(pool.type(update)) &&
                         std::ranges::all_of(loads, [&](Expr load) { return bits(pool.type(load)) <= 8; });
      ++products[bytes ? "i8" : std::string(spelling(pool.type(update)))];
    }
  }

  void tile(const Stmt& s, Counts& counts) {
    const size_t outer = loops_.size();
    for (const TileAxis& row : s.rows) loops_.push_back({row.var, pool.index(row.extent)});
    Expr lanes = pool.index(s.lanes.var.valid() ? s.lanes.extent : 1);
    if (s.lane_limit.valid()) lanes = s.lanes_reduce ? most_of(s.lane_limit) : pool.min(lanes, most_of(s.lane_limit));
    const Loop lane{s.lanes.var, lanes};
    if (!s.lanes_reduce) loops_.push_back(lane);
    std::map<BufferId, Expr> repeats;  // of the whole tile, per element written
    for (const TileStore& store : s.stores) {
      const auto [written, others] = split(store.offset);
      add(counts.written, store.buffer, written);
      repeats.emplace(store.buffer, others);
    }
    const size_t points = loops_.size();
    if (s.lanes_reduce) loops_.push_back(lane);
    Expr steps = s.lanes_reduce ? lane.trips : pool.index(1);
    for (const TileReduce& axis : s.reduce) {
      loops_.push_back({axis.var, most_of(axis.extent)});
      steps = pool.mul(steps, loops_.back().trips);
    }
    std::map<std::string, int64_t> products;
    for (const Accumulator& acc : s.accumulators) {
      read(acc.update, counts);
      // Of a sum of products in parts and the one that stands in for it, the latter: it says what is computed.
      if (s.matrix && s.accumulators.size() == 2 && &acc == &s.accumulators[0]) continue;
      if (acc.monoid == Monoid::Sum) count_products(acc.update, products);
    }
    loops_.resize(points);
    for (const Accumulator& acc : s.accumulators) read(acc.init, counts);
    for (const TileStore& store : s.stores) read(store.value, counts);
    if (!s.stores.empty())
      for (const auto& [type, number] : products) {
        const BufferId buffer = s.stores[0].buffer;
        const Expr each = pool.mul(pool.mul(steps, repeats.at(buffer)), pool.index(number));
        if (kernel_.buffers[buffer].space != Space::Param)  // each block of the shared loops writes it anew
          add(within_, type, pool.mul(split(s.stores[0].offset).first, each));
        else if (auto [at, fresh] = per_point_[buffer].emplace(type, each); !fresh) at->second = pool.max(at->second, each);
      }
    loops_.resize(outer);
  }

  // `if block < whole ... else ...`: the remainder is elsewhere. Of any other two branches the one that does more counts.
  void branch(const Stmt& s, Counts& counts) {
    const std::vector<Expr> sides(pool.operands(s.value).begin(), pool.operands(s.value).end());
    const bool splits = pool.op(s.value) == SOp::Lt && pool.op(sides[0]) == SOp::Var && over_symbols(sides[1]) &&
                        pool.var(sides[0]).extent.valid() && over_symbols(pool.var(sides[0]).extent);
    if (!splits) {
      Counts then = walk(s.body);
      const Counts otherwise = walk(s.otherwise);
      most(then.read, otherwise.read);
      most(then.written, otherwise.written);
      add(counts.read, then.read);
      return add(counts.written, then.written);
    }
    const Expr extent = pool.var(sides[0]).extent, whole = pool.min(sides[1], extent);
    for (const auto& [body, part] : {std::pair(&s.body, whole), std::pair(&s.otherwise, pool.sub(extent, whole))}) {
      branches_.push_back({sides[0], extent, part});
      const Counts inside = walk(*body);
      branches_.pop_back();
      add(counts.read, inside.read);
      add(counts.written, inside.written);
    }
  }

  // An index that is computed from those of loops, as of tasks, counts in their place: its extent is exact.
  void count_by(Expr let) {
    const Expr extent = pool.var(let).extent;
    if (!extent.valid() || !over_symbols(extent)) return;
    const std::vector<Expr>& from = lets_.at(let);
    for (Loop& loop : loops_)
      if (std::ranges::find(from, loop.var) != from.end()) loop.trips = pool.index(1);
    loops_.push_back({let, extent});
  }

  Counts walk(const std::vector<Stmt>& block) {
    Counts counts;
    const std::vector<Loop> outside = loops_;
    for (const Stmt& s : block) {
      switch (s.kind) {
        case StmtKind::For: {
          loops_.push_back({s.var, most_of(s.extent)});
          const Counts inner = walk(s.body);
          loops_.pop_back();
          add(counts.read, inner.read);
          add(counts.written, inner.written);
          break;
        }
        case StmtKind::Let:
          depends(s.value, lets_[s.var]);
          read(s.value, counts);
          count_by(s.var);
          break;
        case StmtKind::If: branch(s, counts); break;
        case StmtKind::While: known_ = false; break;
        case StmtKind::Store:
          for (const TileStore& store : s.stores) {
            add(counts.written, store.buffer, split(store.offset).first);
            read(store.value, counts);
          }
          break;
        case StmtKind::Tile: tile(s, counts); break;
        case StmtKind::Call:
          for (BufferId buffer : s.buffers)
            add(kernel_.buffers[buffer].written ? counts.written : counts.read, buffer, kernel_.buffers[buffer].size);
          break;
      }
    }
    loops_ = outside;
    return counts;
  }

  const Kernel& kernel_;

 public:
  ExprPool pool;

 private:
  std::vector<Loop> loops_;
  std::vector<Branch> branches_;
  std::map<Expr, std::vector<Expr>> lets_;
  std::map<BufferId, std::map<std::string, Expr>> per_point_;
  std::map<std::string, Expr> within_;  // what makes temporaries of a block
  bool known_ = true;
};

class Calls {
 public:
  Calls(const Module& module, ExprPool& pool) : module_(module), pool_(pool) {}

  void walk(const std::vector<HostStmt>& statements) {
    for (const HostStmt& s : statements) {
      if (s.kind == HostStmt::Kind::Call) calls.push_back(call(s));
      walk(s.body);
      walk(s.otherwise);
    }
  }
  std::vector<std::optional<CallWork>> calls;

 private:
  std::optional<CallWork> call(const HostStmt& s) {
    const Kernel& kernel = module_.kernels[s.kernel];
    // A symbol that the host program computes is not known before the model runs.
    for (Expr symbol : s.symbols) {
      std::vector<Expr> vars;
      pool_.collect_vars(symbol, vars);
      for (Expr var : vars)
        if (std::ranges::find(module_.symbols, var) == module_.symbols.end()) return std::nullopt;
    }
    Counter counter(kernel);
    std::vector<bool> constant;
    for (BufferId b : s.buffers) constant.push_back(module_.buffers[b].kind == HostBufferKind::Constant);
    const std::optional<CallWork> own = counter.run(constant);
    if (!own) return std::nullopt;
    ExprPool::Importer importer{.from = counter.pool};
    for (size_t k = 0; k < kernel.symbols.size(); ++k) importer.done[kernel.symbols[k]] = s.symbols[k];
    CallWork work{.multiply_adds = {}, .bytes = pool_.import(importer, own->bytes),
                  .constant_bytes = pool_.import(importer, own->constant_bytes)};
    for (const auto& [type, number] : own->multiply_adds) work.multiply_adds[type] = pool_.import(importer, number);
    return work;
  }

  const Module& module_;
  ExprPool& pool_;
};

}  // namespace

std::vector<std::optional<CallWork>> work_of_calls(const Module& module, ExprPool& pool) {
  Calls calls(module, pool);
  calls.walk(module.host);
  return std::move(calls.calls);
}

}  // namespace tenon
