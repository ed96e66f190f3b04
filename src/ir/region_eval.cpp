#include "scalar_fold.h"
#include "tenon/region.h"

namespace tenon {

namespace {

class RegionEvaluator {
 public:
  RegionEvaluator(const Region& region, std::vector<Tensor>& tensors,
                  const std::unordered_map<std::string, int64_t>& symbols, const RunRoutine& routine)
      : region_(region),
        p_(region.pool),
        tensors_(tensors),
        symbols_(symbols),
        routine_(routine),
        values_(p_.size()),
        stamps_(p_.size(), 0),
        bound_(p_.size()),
        made_(region.buffers.size()) {}

  Result<void> run() {
    for (const Statement& s : region_.statements) {
      execute(s);
      if (!error_.empty()) return fail(Code::E0603, "region " + region_.name + ": " + error_);
    }
    return {};
  }

 private:
  Tensor& tensor(BufferId b) { return tensors_[static_cast<size_t>(b.index)]; }

  int64_t index(Expr e) { return eval(e).i; }

  void execute(const Statement& s) {
    ++now_;
    allocate(s.out);
    if (!s.routine.empty()) {
      for (BufferId b : s.more_outs) allocate(b);
      std::vector<int64_t> scalars;
      for (Expr e : s.scalars) scalars.push_back(index(e));
      if (!routine_) return set_error("no routine " + s.routine);
      return routine_(s, tensors_, scalars);
    }
    loop(s.axes, [&] {
      for (const Accumulator& a : s.accumulators) bind(a.var, eval(a.init));
      loop(s.reduce_axes, [&] {
        std::vector<ScalarConst> next;
        for (const Accumulator& a : s.accumulators) next.push_back(eval(a.update));
        for (size_t k = 0; k < next.size(); ++k) bind(s.accumulators[k].var, next[k]);
        if (s.scan) store(s);
      });
      if (!s.scan) store(s);
    });
  }

  void allocate(BufferId b) {
    if (made_[static_cast<size_t>(b.index)]) return;
    made_[static_cast<size_t>(b.index)] = true;
    std::vector<int64_t> dims;
    for (Expr d : region_.buffers[b].dims) dims.push_back(index(d));
    tensor(b) = Tensor::zeros(region_.buffers[b].type, std::move(dims));
  }

  void bind(Expr var, ScalarConst value) {
    bound_[static_cast<size_t>(var.index)] = value;
    ++now_;  // what was computed may depend on it
  }

  template <class F>
  void loop(std::span<const Expr> axes, F&& body) {
    if (axes.empty()) return body();
    int64_t extent = index(p_.var(axes[0]).extent);
    for (int64_t v = 0; v < extent && error_.empty(); ++v) {
      bind(axes[0], {.i = v});
      loop(axes.subspan(1), body);
    }
  }

  std::optional<size_t> position(BufferId b, std::span<const Expr> indices) {
    int64_t linear = 0;
    for (size_t d = 0; d < indices.size(); ++d) {
      int64_t i = index(indices[d]), extent = tensor(b).dims[d];
      if (i < 0 || i >= extent) {
        set_error(region_.buffers[b].name + " is accessed at " + std::to_string(i) + " of " +
                  std::to_string(extent) + " in dim " + std::to_string(d));
        return std::nullopt;
      }
      linear = linear * extent + i;
    }
    return static_cast<size_t>(linear);
  }

  void store(const Statement& s) {
    if (s.condition.valid() && eval(s.condition).i == 0) return;
    store(s.out, s.indices, s.value);
    for (const Statement::Also& more : s.also) store(s.out, more.indices, more.value);
  }

  void store(BufferId to, std::span<const Expr> indices, Expr e) {
    auto at = position(to, indices);
    if (!at) return;
    ScalarConst value = eval(e);
    Tensor& out = tensor(to);
    if (is_float(out.type))
      out.f[*at] = value.f;
    else
      out.i[*at] = value.i;
    ++now_;  // the statement may read what it wrote
  }

  // Each node once per binding of the variables.
  ScalarConst eval(Expr e) {
    auto at = static_cast<size_t>(e.index);
    if (stamps_[at] != now_) {
      uint64_t begun = now_;
      values_[at] = compute(e);
      stamps_[at] = begun;
    }
    return values_[at];
  }

  ScalarConst compute(Expr e) {
    const ExprNode& n = p_[e];
    std::span<const Expr> operands = p_.operands(e);
    switch (n.op) {
      case SOp::Const:
        if (is_float(n.type)) return {.f = *p_.as_double(e)};
        return {.i = n.imm};
      case SOp::Var: return variable(e);
      case SOp::Load: {
        auto at = position(p_.buffer(e), operands);
        const Tensor& t = tensor(p_.buffer(e));
        if (!at) return {.i = 0};
        return is_float(t.type) ? ScalarConst{.f = t.f[*at]} : ScalarConst{.i = t.i[*at]};
      }
      case SOp::Select: return eval(operands[eval(operands[0]).i != 0 ? 1 : 2]);
      case SOp::And:  // guards of loads: the right side only where the left one holds
        if (n.type == DType::Bool && eval(operands[0]).i == 0) return {.i = 0};
        break;
      default: break;
    }
    DType from = p_.type(operands[0]);
    ScalarConst args[3];
    if (operands.size() > 2 && n.type == DType::Index) {  // canonical sums and products
      args[0] = eval(operands[0]);
      for (size_t k = 1; k < operands.size(); ++k) {
        args[1] = eval(operands[k]);
        args[0] = *fold_scalar(n.op, n.type, from, std::span(args, 2));
      }
      return args[0];
    }
    for (size_t k = 0; k < operands.size(); ++k) args[k] = eval(operands[k]);
    return *fold_scalar(n.op, n.type, from, std::span(args, operands.size()));
  }

  ScalarConst variable(Expr e) {
    if (auto value = bound_[static_cast<size_t>(e.index)]) return *value;
    auto it = symbols_.find(p_.var(e).name);
    if (it == symbols_.end()) set_error("no value for " + p_.var(e).name);
    return {.i = it == symbols_.end() ? 0 : it->second};
  }

  void set_error(std::string message) {
    if (error_.empty()) error_ = std::move(message);
  }

  const Region& region_;
  const ExprPool& p_;
  std::vector<Tensor>& tensors_;
  const std::unordered_map<std::string, int64_t>& symbols_;
  const RunRoutine& routine_;
  std::vector<ScalarConst> values_;
  std::vector<uint64_t> stamps_;
  std::vector<std::optional<ScalarConst>> bound_;
  std::vector<bool> made_;  // buffers that a statement has written
  uint64_t now_ = 0;
  std::string error_;
};

}  // namespace

Result<void> evaluate_region(const Region& region, std::vector<Tensor>& tensors,
                             const std::unordered_map<std::string, int64_t>& symbols,
                             const RunRoutine& routine) {
  tensors.resize(region.buffers.size());
  return RegionEvaluator(region, tensors, symbols, routine).run();
}

}  // namespace tenon
