// The rules of Loops modules. All violations in one go.
#include <algorithm>
#include <cctype>
#include <unordered_set>

#include "tenon/loops.h"
#include "violations.h"

namespace tenon {

namespace {

bool is_identifier(const std::string& s) {
  return !s.empty() && !std::isdigit(static_cast<unsigned char>(s[0])) &&
         std::ranges::all_of(s, [](unsigned char c) { return std::isalnum(c) || c == '_'; });
}

// Scopes and the typing of expressions, for kernels and the host program alike.
class Checker {
 public:
  Checker(const ExprPool& pool, Violations& found) : pool_(pool), found_(found) {}

 protected:
  // Variables bound in the enclosing block; they go when it ends.
  class Scope {
   public:
    explicit Scope(Checker& checker) : checker_(checker), size_(checker.bound_.size()) {}
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() { checker_.bound_.resize(size_); }

   private:
    Checker& checker_;
    size_t size_;
  };

  bool is_bound(Expr var) const { return std::ranges::find(bound_, var) != bound_.end(); }

  void bind(Expr var) {
    if (!found_.require(var.valid() && pool_.op(var) == SOp::Var, "what is bound is not a variable")) return;
    found_.require(!is_bound(var), [&] { return "variable " + pool_.text(var) + " is bound twice"; });
    bound_.push_back(var);
  }

  // e is there, is of the type, and every node in it is well typed and in scope.
  void expect(Expr e, DType type, const char* what) {
    if (!found_.require(e.valid(), [&] { return std::string(what) + " is missing"; })) return;
    found_.require(pool_.type(e) == type, [&] {
      return std::string(what) + " " + pool_.text(e) + " is of type " + std::string(spelling(pool_.type(e))) + ", not " +
             std::string(spelling(type));
    });
    std::unordered_set<Expr> seen;
    check(e, seen);
  }

  virtual DType load_type(Expr load) = 0;

  const ExprPool& pool_;
  Violations& found_;

 private:
  void check(Expr e, std::unordered_set<Expr>& seen) {
    if (!seen.insert(e).second) return;
    const ExprNode& n = pool_[e];
    auto args = pool_.operands(e);
    for (Expr child : args) check(child, seen);
    if (n.op == SOp::Const) return;
    if (n.op == SOp::Var) {
      found_.require(is_bound(e), [&] { return "variable " + pool_.text(e) + " is not in scope"; });
      return;
    }
    if (n.op == SOp::Load) {
      bool flat = args.size() == 1 && pool_.type(args[0]) == DType::Index;
      found_.require(flat && load_type(e) == n.type, [&] { return "load " + pool_.text(e) + " does not fit its buffer"; });
      return;
    }
    bool convert = n.op == SOp::Cast || n.op == SOp::CastSat || n.op == SOp::Bitcast;
    DType type = pool_.type(args.back());
    bool typed = convert || (accepts(n.op, type) && n.type == result_type(n.op, type));
    if (n.op == SOp::Select) typed &= pool_.type(args[0]) == DType::Bool && pool_.type(args[1]) == type;
    else typed &= std::ranges::all_of(args, [&](Expr a) { return pool_.type(a) == type; });
    bool narrow = is_float(type) && bits(type) < 32 && !convert && n.op != SOp::Select;
    found_.require(typed && !narrow, [&] { return "operand types do not suit " + pool_.text(e); });
  }

  std::vector<Expr> bound_;
};

class KernelChecker : Checker {
 public:
  KernelChecker(const Kernel& kernel, Violations& found) : Checker(kernel.pool, found), k_(kernel) {}

  void run() {
    found_.require(is_identifier(k_.name), "the name is not a C identifier");
    for (Expr s : k_.symbols) bind(s);
    bool scratch = false;
    for (const LoopBuffer& b : k_.buffers) {
      expect(b.size, DType::Index, "size");
      scratch |= b.space == Space::Scratch;
      found_.require(!scratch || b.space == Space::Scratch, "params stand before scratch buffers");
      found_.require(b.type != DType::Index && b.type != DType::String, "a buffer's type is not a number");
    }
    block(k_.body, true);
  }

 private:
  DType load_type(Expr load) override { return valid(pool_.buffer(load)) ? k_.buffers[pool_.buffer(load)].type : DType::String; }
  bool valid(BufferId b) const { return b.valid() && static_cast<size_t>(b.index) < k_.buffers.size(); }

  void block(const std::vector<Stmt>& body, bool outermost = false) {
    Scope scope(*this);
    for (const Stmt& s : body) {
      found_.require(!s.parallel || (outermost && s.kind == StmtKind::For), "only an outermost for can be parallel");
      statement(s);
    }
  }

  void statement(const Stmt& s) {
    switch (s.kind) {
      case StmtKind::For: {
        expect(s.extent, DType::Index, "extent");
        Scope scope(*this);
        bind(s.var);
        return block(s.body);
      }
      case StmtKind::Let:
        expect(s.value, s.var.valid() ? pool_.type(s.var) : DType::Index, "value");
        return bind(s.var);
      case StmtKind::If:
      case StmtKind::While:
        expect(s.value, DType::Bool, "condition");
        block(s.body);
        return block(s.otherwise);
      case StmtKind::Store:
        if (found_.require(s.stores.size() == 1, "a store statement stores once")) store(s.stores[0]);
        return;
      case StmtKind::Tile: return tile(s);
      case StmtKind::Call:
        for (BufferId b : s.buffers) found_.require(valid(b), "a call names no buffer of the kernel");
        for (Expr e : s.scalars) expect(e, DType::Index, "argument");
        found_.require(s.routine != kOneDnn || calls_library(k_), "a kernel does more than its call into a library");
    }
  }

  void store(const TileStore& s) {
    if (!found_.require(valid(s.buffer), "a store names no buffer of the kernel")) return;
    const LoopBuffer& b = k_.buffers[s.buffer];
    found_.require(b.written, [&] { return "buffer " + b.name + " is stored to, but not declared as written"; });
    expect(s.offset, DType::Index, "offset");
    expect(s.value, b.type, "stored value");
    if (s.condition.valid()) expect(s.condition, DType::Bool, "condition");
  }

  void tile(const Stmt& s) {
    found_.require(!s.stores.empty(), "a tile stores nothing");
    found_.require(s.reduce.empty() || !s.accumulators.empty(), "a tile reduces into nothing");
    if (s.lanes_reduce) {
      found_.require(s.lane_limit.valid() && !s.accumulators.empty(), "reduced lanes need a limit and accumulators");
      found_.require(std::ranges::none_of(s.accumulators, [](auto& a) { return a.monoid == Monoid::Custom; }),
                     "a custom reduction has no partial results per lane");
    }
    if (s.lane_limit.valid()) expect(s.lane_limit, DType::Index, "lane limit");
    for (const TileReduce& r : s.reduce) expect(r.extent, DType::Index, "extent");
    found_.require(std::ranges::none_of(s.reduce, [](const TileReduce& r) { return r.partial > 0; }) ||
                       std::ranges::all_of(s.accumulators, [](const Accumulator& a) { return a.monoid == Monoid::Sum; }),
                   "partial sums of what is no sum");

    Scope scope(*this);
    for (const TileAxis& row : s.rows) tile_axis(row);
    if (s.lanes.var.valid() && !s.lanes_reduce) tile_axis(s.lanes);
    for (const Accumulator& a : s.accumulators) expect(a.init, pool_.type(a.var), "initial value");
    for (const Accumulator& a : s.accumulators) bind(a.var);
    {
      Scope inner(*this);
      if (s.lanes_reduce) tile_axis(s.lanes);
      const bool halves = !s.lanes_reduce && half_product(pool_, s.accumulators) && s.reduce.back().kind == ReduceKind::Atom && pool_.is_index(s.reduce.back().extent, 2);
      for (const TileReduce& r : s.reduce) reduce_axis(r, &r == &s.reduce.back(), halves);
      for (const Accumulator& a : s.accumulators) expect(a.update, pool_.type(a.var), "update");
      for (const TilePrefetch& f : s.prefetch) expect(f.offset, DType::Index, "offset read ahead");
    }
    for (const TileStore& t : s.stores) store(t);
  }

  void tile_axis(const TileAxis& axis) {
    found_.require(axis.extent >= 1, "a tile's axis is empty");
    bind(axis.var);
  }

  void reduce_axis(const TileReduce& r, bool last, bool halves) {
    bind(r.var);
    found_.require(r.kind == ReduceKind::Loop || pool_.is_const(r.extent), "an unrolled reduction's extent is not constant");
    found_.require(r.kind != ReduceKind::Atom || last, "an atom is not the innermost reduction");
    found_.require(r.unroll >= 1, "a reduction is unrolled less than once");
    found_.require(r.partial >= 0 && r.partial % std::max<int64_t>(r.unroll, 1) == 0 &&
                       (r.partial == 0 || r.kind == ReduceKind::Loop),
                   "partial sums are of no multiple of the unrolled steps");
    found_.require(!r.halves || (r.partial > 0 && halves), "partial sums in f16 of what are no pairs of products of f16");
  }

  const Kernel& k_;
};

class HostChecker : Checker {
 public:
  HostChecker(const Module& module, Violations& found) : Checker(module.pool, found), m_(module) {}

  void run() {
    for (Expr s : m_.symbols) bind(s);
    if (m_.requirement.valid()) expect(m_.requirement, DType::Bool, "requirement");
    for (const std::vector<Port>* ports : {&m_.inputs, &m_.outputs})
      for (const Port& p : *ports)
        for (Expr d : p.dims) expect(d, DType::Index, "dim");
    for (const DataSymbol& d : m_.data_symbols) {
      expect(d.symbol, DType::Index, "element of an input");
      found_.require(d.input >= 0 && static_cast<size_t>(d.input) < m_.inputs.size() && d.element >= 0,
                     [&] { return "symbol " + pool_.text(d.symbol) + " is an element of no input"; });
    }
    for (const ModuleState& s : m_.states) {
      for (Expr e : {s.past, s.present, s.capacity}) expect(e, DType::Index, "extent of a state");
      const bool there = s.input >= 0 && static_cast<size_t>(s.input) < m_.inputs.size() && s.axis >= 0 &&
                         static_cast<size_t>(s.axis) < m_.inputs[static_cast<size_t>(s.input)].dims.size();
      found_.require(there, [&] { return "state " + s.name + " is no input"; });
    }
    for (const PackedConstant& c : m_.constants)
      found_.require(fits(c.layout, c.dims.size()), [&] { return "the layout of constant " + c.name + " does not fit it"; });
    for (const HostBuffer& b : m_.buffers) buffer(b);
    if (m_.workspace_bytes.valid()) expect(m_.workspace_bytes, DType::Index, "workspace size");
    if (m_.scratch_bytes.valid()) expect(m_.scratch_bytes, DType::Index, "scratch size");
    block(m_.host);
  }

 private:
  DType load_type(Expr load) override { return valid(pool_.buffer(load)) ? m_.buffers[pool_.buffer(load)].type : DType::String; }
  bool valid(BufferId b) const { return b.valid() && static_cast<size_t>(b.index) < m_.buffers.size(); }

  void buffer(const HostBuffer& b) {
    size_t known = b.kind == HostBufferKind::Input    ? m_.inputs.size()
                   : b.kind == HostBufferKind::Output ? m_.outputs.size()
                                                      : m_.constants.size();
    bool indexed = b.index >= 0 && static_cast<size_t>(b.index) < known;
    const bool part = b.kind == HostBufferKind::Part;
    found_.require(part == b.whole.valid() && (!part || (valid(b.whole) && &m_.buffers[b.whole] < &b && !m_.buffers[b.whole].whole.valid() && b.offset.valid())),
                   [&] { return "buffer " + b.name + " is part of none before it, or of another part"; });
    found_.require(part || b.kind == HostBufferKind::Workspace ? b.index == -1 : indexed,
                   [&] { return "buffer " + b.name + " is number " + std::to_string(b.index) + " of its kind, which is not there"; });
    expect(b.bytes, DType::Index, "size");
    if (b.offset.valid()) expect(b.offset, DType::Index, "offset");
  }

  void block(const std::vector<HostStmt>& body) {
    Scope scope(*this);
    for (const HostStmt& s : body) statement(s);
  }

  void statement(const HostStmt& s) {
    if (!found_.require(std::ranges::all_of(s.buffers, [&](BufferId b) { return valid(b); }), "a statement names no buffer"))
      return;
    switch (s.kind) {
      case HostStmt::Kind::Call: return call(s);
      case HostStmt::Kind::Copy:
        if (!found_.require(s.buffers.size() == 2, "a copy has two buffers")) return;
        writes(s.buffers[0]);
        found_.require(m_.buffers[s.buffers[0]].type == m_.buffers[s.buffers[1]].type, "a copy changes the type");
        return;
      case HostStmt::Kind::Let:
        expect(s.value, s.var.valid() ? pool_.type(s.var) : DType::Index, "value");
        return bind(s.var);
      case HostStmt::Kind::If:
      case HostStmt::Kind::While:
        expect(s.value, DType::Bool, "condition");
        block(s.body);
        block(s.otherwise);
    }
  }

  void writes(BufferId b) {
    if (valid(m_.buffers[b].whole)) b = m_.buffers[b].whole;
    HostBufferKind kind = m_.buffers[b].kind;
    const bool state = kind == HostBufferKind::Input && std::ranges::count(m_.states, m_.buffers[b].index, &ModuleState::input) > 0;
    found_.require(kind == HostBufferKind::Workspace || kind == HostBufferKind::Output || state,
                   [&] { return "buffer " + m_.buffers[b].name + " is written, but is no workspace or output"; });
  }

  void call(const HostStmt& s) {
    bool there = s.kernel.valid() && static_cast<size_t>(s.kernel.index) < m_.kernels.size();
    if (!found_.require(there, "a call names no kernel")) return;
    const Kernel& k = m_.kernels[s.kernel];
    auto params = std::ranges::count(k.buffers, Space::Param, &LoopBuffer::space);
    bool arity = static_cast<size_t>(params) == s.buffers.size() && k.symbols.size() == s.symbols.size();
    if (!found_.require(arity, [&] { return "a call of " + k.name + " has the wrong number of arguments"; })) return;
    for (size_t i = 0; i < s.buffers.size(); ++i) {
      const LoopBuffer& param = k.buffers[BufferId(i)];
      found_.require(param.type == m_.buffers[s.buffers[i]].type, [&] {
        return "param " + param.name + " of " + k.name + " is given buffer " + m_.buffers[s.buffers[i]].name + " of another type";
      });
      if (param.written) writes(s.buffers[i]);
    }
    for (Expr e : s.symbols) expect(e, DType::Index, "argument");
  }

  const Module& m_;
};

}  // namespace

Result<void> verify(const Module& module) {
  Violations found;
  std::unordered_set<std::string> names;
  for (const Kernel& kernel : module.kernels) {
    found.enter("kernel " + kernel.name + ": ");
    found.require(names.insert(kernel.name).second, "the name is taken");
    KernelChecker(kernel, found).run();
  }
  found.enter("host program: ");
  HostChecker(module, found).run();
  return std::move(found).result();
}

}  // namespace tenon
