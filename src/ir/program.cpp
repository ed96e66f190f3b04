#include "program.h"

#include <algorithm>
#include <bit>

namespace tenon {

Program::Program(const ExprPool& pool, Expr e) {
  Done done;
  result_ = compile(pool, e, done);
}

uint32_t Program::make_register(ScalarConst value) {
  registers_.push_back(value);
  return static_cast<uint32_t>(registers_.size() - 1);
}

uint32_t Program::push(Step step) {
  step.to = make_register();
  steps_.push_back(step);
  return step.to;
}

uint32_t Program::compile(const ExprPool& pool, Expr e, Done& done) {
  if (auto it = done.find(e); it != done.end()) return it->second;
  const ExprNode n = pool[e];
  uint32_t result = 0;
  switch (n.op) {
    case SOp::Const:
      result = make_register(is_float(n.type) ? ScalarConst{.f = std::bit_cast<double>(n.imm)} : ScalarConst{.i = n.imm});
      break;
    case SOp::Var: result = push({.kind = Kind::Var, .which = n.imm}); break;
    case SOp::Load: {
      TENON_CHECK(n.count == 1, "a load of a kernel has one offset");
      uint32_t offset = compile(pool, pool.operands(e)[0], done);
      result = push({.kind = Kind::Load, .type = n.type, .args = {offset}, .which = n.imm});
      break;
    }
    case SOp::Select: result = compile_select(pool, e, done); break;
    default: result = apply(pool, e, done);
  }
  done.emplace(e, result);
  return result;
}

uint32_t Program::compile_select(const ExprPool& pool, Expr e, Done& done) {
  auto args = pool.operands(e);
  uint32_t condition = compile(pool, args[0], done);
  uint32_t result = make_register();
  auto branch = [&](Expr value) {
    Done inside = done;  // what a branch computes is not there when the other is taken
    uint32_t from = compile(pool, value, inside);
    steps_.push_back({.kind = Kind::Move, .to = result, .args = {from}});
  };
  auto jump = [&](Kind kind) {
    steps_.push_back({.kind = kind, .args = {condition}});
    return steps_.size() - 1;
  };
  auto land = [&](size_t at) { steps_[at].which = static_cast<int64_t>(steps_.size()); };
  size_t to_otherwise = jump(Kind::JumpUnless);
  branch(args[1]);
  size_t to_end = jump(Kind::Jump);
  land(to_otherwise);
  branch(args[2]);
  land(to_end);
  return result;
}

uint32_t Program::apply(const ExprPool& pool, Expr e, Done& done) {
  const ExprNode n = pool[e];
  std::vector<uint32_t> args;
  for (Expr child : pool.operands(e)) args.push_back(compile(pool, child, done));
  Step step{.kind = Kind::Apply, .op = n.op, .type = n.type, .from = pool.type(pool.operands(e).back())};
  bool chain = n.type == DType::Index && (n.op == SOp::Add || n.op == SOp::Mul);  // n-ary
  if (!chain) {
    step.count = n.count;
    std::ranges::copy(args, step.args.begin());
    return push(step);
  }
  step.count = 2;
  uint32_t result = args[0];
  for (size_t i = 1; i < args.size(); ++i) {
    step.args = {result, args[i]};
    result = push(step);
  }
  return result;
}

std::optional<ScalarConst> Program::run(std::span<const ScalarConst> vars, std::span<const Memory> buffers,
                                        Fault& fault) {
  std::vector<ScalarConst>& r = registers_;
  for (size_t at = 0; at < steps_.size(); ++at) {
    const Step& s = steps_[at];
    switch (s.kind) {
      case Kind::Var: r[s.to] = vars[static_cast<size_t>(s.which)]; break;
      case Kind::Load: {
        BufferId buffer(static_cast<size_t>(s.which));
        const Memory& memory = buffers[static_cast<size_t>(s.which)];
        int64_t offset = r[s.args[0]].i;
        if (offset < 0 || offset >= memory.size) {
          fault = {buffer, offset};
          return std::nullopt;
        }
        auto i = static_cast<size_t>(memory.first + offset);
        r[s.to] = is_float(s.type) ? ScalarConst{.f = memory.tensor->f[i]} : ScalarConst{.i = memory.tensor->i[i]};
        break;
      }
      case Kind::Apply: {
        std::array<ScalarConst, 3> args = {r[s.args[0]], r[s.args[1]], r[s.args[2]]};
        r[s.to] = *fold_scalar(s.op, s.type, s.from, std::span(args.data(), s.count));
        break;
      }
      case Kind::Move: r[s.to] = r[s.args[0]]; break;
      case Kind::Jump: at = static_cast<size_t>(s.which) - 1; break;
      case Kind::JumpUnless:
        if (r[s.args[0]].i == 0) at = static_cast<size_t>(s.which) - 1;
        break;
    }
  }
  return r[result_];
}

}  // namespace tenon
