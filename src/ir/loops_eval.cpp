// The meaning of kernels, as code: one statement after the other, every access checked.
#include <cmath>

#include "loops_eval.h"
#include "scalar_fold.h"

namespace tenon {

Tensor poisoned(DType type, int64_t elements) {
  Tensor t = Tensor::zeros(type, {elements});
  for (double& x : t.f) x = NAN;
  for (int64_t& x : t.i) x = wrap_to(type, 0x5A5A5A5A5A5A5A5A);
  return t;
}

ScalarConst Interpreter::value(Expr e) {
  if (failed()) return {.i = 0};
  auto it = programs_.find(e);
  if (it == programs_.end()) it = programs_.emplace(e, Program(pool_, e)).first;
  Program::Fault fault;
  auto result = it->second.run(vars_, memory_, fault);
  if (result) return *result;
  error("a load", fault.buffer, fault.offset);
  return {.i = 0};
}

void Interpreter::error(const char* what, BufferId buffer, int64_t offset) {
  if (failed()) return;
  const Memory& memory = memory_[static_cast<size_t>(buffer.index)];
  error_ = std::string(what) + " at " + std::to_string(offset) + " is outside " + std::string(memory.name) + " of " +
           std::to_string(memory.size) + " elements";
}

namespace {

class KernelRun : Interpreter {
 public:
  KernelRun(const Kernel& kernel, const RoutineModel& routines)
      : Interpreter(kernel.pool), k_(kernel), routines_(routines) {}

  Result<void> run(std::span<Tensor* const> params, std::span<const int64_t> symbols, std::span<const int64_t> first) {
    if (symbols.size() != k_.symbols.size()) return failure("wrong number of symbols");
    for (size_t i = 0; i < symbols.size(); ++i) set(k_.symbols[i], {.i = symbols[i]});
    scratch_.reserve(k_.buffers.size());
    for (size_t b = 0; b < k_.buffers.size(); ++b) {
      const LoopBuffer& buffer = k_.buffers[BufferId(b)];
      int64_t size = value(buffer.size).i;
      if (buffer.space == Space::Scratch) {
        memory_.push_back({&scratch_.emplace_back(poisoned(buffer.type, size)), size, buffer.name});
        continue;
      }
      const int64_t begin = b < first.size() ? first[b] : 0;
      if (b >= params.size() || params[b]->type != buffer.type || params[b]->count() < begin + size)
        return failure("param " + buffer.name + " is not given " + std::to_string(size) + " elements of its type");
      memory_.push_back({params[b], size, buffer.name, begin});
    }
    block(k_.body);
    return failed() ? failure(error_) : Result<void>{};
  }

 private:
  std::unexpected<Diags> failure(const std::string& message) const {
    return fail(Code::E0404, "kernel " + k_.name + ": " + message);
  }

  void block(const std::vector<Stmt>& body) {
    for (const Stmt& s : body) {
      if (failed()) return;
      statement(s);
    }
  }

  void statement(const Stmt& s) {
    switch (s.kind) {
      case StmtKind::For:
        return loop(s.var, value(s.extent).i, [&] {
          if (s.parallel) forget_scratch();
          block(s.body);
        });
      case StmtKind::Let: return set(s.var, value(s.value));
      case StmtKind::If: return block(value(s.value).i ? s.body : s.otherwise);
      case StmtKind::While:
        while (value(s.value).i && !failed()) block(s.body);
        return;
      case StmtKind::Store: return store(s.stores[0]);
      case StmtKind::Tile: return rows(s, 0);
      case StmtKind::Call: return call(s);
    }
  }

  // Tasks share nothing: what one leaves in scratch another may not see.
  void forget_scratch() {
    for (Tensor& t : scratch_) t = poisoned(t.type, t.count());
  }

  template <class Body>
  void loop(Expr var, int64_t extent, const Body& body) {
    for (int64_t i = 0; i < extent && !failed(); ++i) {
      set(var, {.i = i});
      body();
    }
  }

  void store(const TileStore& s) {
    if (s.condition.valid() && !value(s.condition).i) return;
    int64_t offset = value(s.offset).i;
    ScalarConst result = value(s.value);
    Memory& memory = memory_[static_cast<size_t>(s.buffer.index)];
    if (offset < 0 || offset >= memory.size) return error("a store", s.buffer, offset);
    if (failed()) return;
    auto i = static_cast<size_t>(memory.first + offset);
    if (is_float(memory.tensor->type)) memory.tensor->f[i] = result.f;
    else memory.tensor->i[i] = result.i;
  }

  void rows(const Stmt& tile, size_t depth) {
    if (depth == tile.rows.size()) return lanes(tile);
    loop(tile.rows[depth].var, tile.rows[depth].extent, [&] { rows(tile, depth + 1); });
  }

  void lanes(const Stmt& tile) {
    if (!tile.lanes.var.valid() || tile.lanes_reduce) return element(tile);
    int64_t extent = tile.lanes.extent;
    if (tile.lane_limit.valid()) extent = std::min(extent, value(tile.lane_limit).i);
    loop(tile.lanes.var, extent, [&] { element(tile); });
  }

  void element(const Stmt& tile) {
    std::vector<ScalarConst> state;
    for (const Accumulator& a : tile.accumulators) state.push_back(value(a.init));
    assign(tile, state);
    if (!tile.accumulators.empty()) reduce(tile, 0);
    for (const TileStore& s : tile.stores) store(s);
  }

  void reduce(const Stmt& tile, size_t depth) {
    if (depth < tile.reduce.size()) {
      const TileReduce& r = tile.reduce[depth];
      if (r.partial > 0) return partial_sums(tile, depth);
      return loop(r.var, value(r.extent).i, [&] { reduce(tile, depth + 1); });
    }
    if (!tile.lanes_reduce) return update(tile);
    loop(tile.lanes.var, value(tile.lane_limit).i, [&] { update(tile); });
  }

  void partial_sums(const Stmt& tile, size_t depth) {
    const TileReduce& r = tile.reduce[depth];
    const int64_t extent = value(r.extent).i;
    for (int64_t first = 0; first < extent && !failed(); first += r.partial) {
      std::vector<ScalarConst> totals;
      for (const Accumulator& a : tile.accumulators) totals.push_back(value(a.var));
      assign(tile, std::vector<ScalarConst>(totals.size(), ScalarConst{.f = 0}));
      if (r.halves) halves_ = Halves{*half_product(pool_, tile.accumulators), {}};
      for (int64_t i = first; i < std::min(extent, first + r.partial) && !failed(); ++i) {
        set(r.var, {.i = i});
        reduce(tile, depth + 1);
      }
      if (halves_) set(tile.accumulators[0].var, {.f = round_to(DType::F16, halves_->sums[0] + halves_->sums[1])});
      halves_ = {};
      for (size_t k = 0; k < totals.size(); ++k) {
        const Expr var = tile.accumulators[k].var;
        const ScalarConst parts[] = {totals[k], value(var)};
        totals[k] = *fold_scalar(SOp::Add, pool_.type(var), pool_.type(var), parts);
      }
      assign(tile, totals);
    }
  }

  // All updates read the state as it was.
  void update(const Stmt& tile) {
    if (halves_) {
      double& sum = halves_->sums[static_cast<size_t>(value(tile.reduce.back().var).i)];
      sum = round_to(DType::F16, std::fma(value(halves_->product.a).f, value(halves_->product.b).f, sum));
      return;
    }
    if (tile.accumulators.size() == 1) return set(tile.accumulators[0].var, value(tile.accumulators[0].update));
    std::vector<ScalarConst> state;
    for (const Accumulator& a : tile.accumulators) state.push_back(value(a.update));
    assign(tile, state);
  }
  void assign(const Stmt& tile, const std::vector<ScalarConst>& state) {
    for (size_t i = 0; i < state.size(); ++i) set(tile.accumulators[i].var, state[i]);
  }

  void call(const Stmt& s) {
    std::vector<Tensor*> buffers;
    std::vector<int64_t> scalars;
    for (BufferId b : s.buffers) {
      buffers.push_back(memory_[static_cast<size_t>(b.index)].tensor);
      if (memory_[static_cast<size_t>(b.index)].first != 0) error_ = "routine " + s.routine + " is given part of a buffer";
    }
    for (Expr e : s.scalars) scalars.push_back(value(e).i);
    if (!failed() && !(routines_ && routines_(s.routine, buffers, scalars))) error_ = "routine " + s.routine + " has no model";
  }

  const Kernel& k_;
  const RoutineModel& routines_;
  std::vector<Tensor> scratch_;
  struct Halves {
    Product product;
    double sums[2];  // of even and odd steps
  };
  std::optional<Halves> halves_ = {};  // inside of partial sums in f16
};

}  // namespace

Result<void> evaluate(const Kernel& kernel, std::span<Tensor* const> params, std::span<const int64_t> symbols,
                      const RoutineModel& routines, std::span<const int64_t> first) {
  return KernelRun(kernel, routines).run(params, symbols, first);
}

}  // namespace tenon
