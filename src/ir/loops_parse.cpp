// Reads what loops_text.cpp prints.
#include "expr_text.h"
#include "tenon/loops.h"

namespace tenon {

namespace {

// What kernels and modules have in common: a pool, a scope, blocks of statements.
class Body {
 public:
  Body(Lexer& in, ExprPool& pool) : in_(in), pool_(pool) {}

 protected:
  Expr expr() { return parse_expr(in_, pool_, scope_); }
  std::vector<Expr> exprs(std::string_view open, std::string_view close) {
    std::vector<Expr> list;
    in_.list(open, close, [&] { list.push_back(expr()); });
    return list;
  }

  Expr bind(const std::string& name, Expr var) {
    scope_.vars[name] = var;
    return var;
  }
  // name < extent
  Expr axis() {
    std::string name = in_.name();
    in_.expect("<");
    Expr extent = expr();
    return bind(name, pool_.axis(name, extent));
  }

  // name [in lo..hi]
  Expr symbol() {
    std::string name = in_.name();
    Expr s = bind(name, pool_.symbol(name));
    if (in_.accept("in")) {
      int64_t lo = in_.integer<int64_t>();
      in_.expect("..");
      int64_t hi = in_.at(Lexer::Kind::Number) ? in_.integer<int64_t>() : kIndexMax;
      pool_.var(s).lo = lo;
      pool_.var(s).hi = hi;
    }
    return s;
  }

  // let name [< extent] = value
  std::pair<Expr, Expr> let() {
    std::string name = in_.name();
    Expr extent = in_.accept("<") ? expr() : Expr{};
    in_.expect("=");
    Expr value = expr();
    Expr var = extent.valid() ? pool_.axis(name, extent) : pool_.new_var({.name = name, .type = pool_.type(value), .lo = -kIndexMax});
    return {bind(name, var), value};
  }

  BufferId buffer() {
    std::string name = in_.name();
    auto it = scope_.buffers.find(name);
    if (it == scope_.buffers.end()) {
      in_.error("no buffer is named `" + name + "` here");
      return BufferId(0);
    }
    return it->second.buffer;
  }
  void add_buffer(const std::string& name, BufferId id, DType type) {
    if (!scope_.buffers.try_emplace(name, ParseScope::Source{id, type}).second)
      in_.error("there are two buffers named `" + name + '`');
  }
  // (buffer, ...; expr, ...)
  void arguments(std::vector<BufferId>& buffers, std::vector<Expr>& scalars) {
    in_.expect("(");
    while (!in_.failed() && !in_.at(")") && !in_.at(";")) {
      buffers.push_back(buffer());
      if (!in_.accept(",")) break;
    }
    if (in_.at(";")) scalars = exprs(";", ")");
    else in_.expect(")");
  }

  // { statements }, in a scope of their own.
  template <class Statement>
  auto block(const Statement& statement) {
    auto outside = scope_.vars;
    std::vector<decltype(statement())> body;
    in_.expect("{");
    while (!in_.failed() && !in_.accept("}")) body.push_back(statement());
    scope_.vars = std::move(outside);
    return body;
  }

  Lexer& in_;
  ExprPool& pool_;
  ParseScope scope_;
};

class KernelParser : Body {
 public:
  KernelParser(Lexer& in, Kernel& kernel) : Body(in, kernel.pool), k_(kernel) {}

  void parse() {
    k_.name = in_.name();
    in_.expect("{");
    k_.origins = in_.origins();
    while (in_.accept("symbol")) k_.symbols.push_back(symbol());
    while (in_.at("param") || in_.at("scratch")) declare();
    if (in_.accept("short")) k_.short_functions = (in_.expect("functions"), true);
    while (!in_.failed() && !in_.accept("}")) k_.body.push_back(statement());
  }

 private:
  void declare() {
    LoopBuffer b;
    b.space = in_.accept("param") ? Space::Param : (in_.expect("scratch"), Space::Scratch);
    b.name = in_.name();
    in_.expect(":");
    b.type = in_.dtype();
    in_.expect("[");
    b.size = expr();
    in_.expect("]");
    b.written = in_.accept("written");
    if (in_.accept("align")) b.align = in_.integer<int>();
    std::string name = b.name;
    DType type = b.type;
    add_buffer(name, k_.buffers.push(std::move(b)), type);
  }

  std::vector<Stmt> body() {
    return block([&] { return statement(); });
  }

  Stmt statement() {
    bool parallel = in_.accept("parallel");
    if (parallel || in_.at("for")) return loop(parallel);
    if (in_.accept("let")) {
      auto [var, value] = let();
      return {.kind = StmtKind::Let, .var = var, .value = value};
    }
    if (in_.accept("if")) {
      Stmt s{.kind = StmtKind::If, .value = expr()};
      s.body = body();
      if (in_.accept("else")) s.otherwise = body();
      return s;
    }
    if (in_.accept("while")) {
      Stmt s{.kind = StmtKind::While, .value = expr()};
      s.body = body();
      return s;
    }
    if (in_.accept("call")) {
      Stmt s{.kind = StmtKind::Call};
      s.routine = in_.name();
      arguments(s.buffers, s.scalars);
      return s;
    }
    if (in_.accept("tile")) return tile();
    Stmt s{.kind = StmtKind::Store};
    s.stores.push_back(store());
    return s;
  }

  Stmt loop(bool parallel) {
    auto outside = scope_.vars;
    in_.expect("for");
    Stmt s{.kind = StmtKind::For, .parallel = parallel};
    s.var = axis();
    s.extent = pool_.var(s.var).extent;
    s.body = body();
    scope_.vars = std::move(outside);
    return s;
  }

  TilePrefetch place() {
    TilePrefetch p;
    p.buffer = buffer();
    in_.expect("[");
    p.offset = expr();
    in_.expect("]");
    return p;
  }

  TileStore store() {
    const TilePrefetch at = place();
    TileStore s{.buffer = at.buffer, .offset = at.offset, .value = {}};
    in_.expect("=");
    s.value = expr();
    if (in_.accept("if")) s.condition = expr();
    return s;
  }

  TileAxis tile_axis() {
    std::string name = in_.name();
    in_.expect("<");
    int64_t extent = in_.integer<int64_t>();
    return {bind(name, pool_.axis(name, pool_.index(extent))), extent};
  }

  Stmt tile() {
    auto outside = scope_.vars;
    Stmt s{.kind = StmtKind::Tile};
    s.matrix = in_.accept("matrix");
    s.results_ahead = in_.accept("ahead");
    if (in_.accept("rows")) in_.list("(", ")", [&] { s.rows.push_back(tile_axis()); });
    s.lanes_reduce = in_.at("reduce_lanes");
    if (in_.accept("lanes") || in_.accept("reduce_lanes")) {
      in_.expect("(");
      s.lanes = tile_axis();
      if (in_.accept("of")) s.lane_limit = expr();
      in_.expect(")");
      // The axis of a reduction over lanes runs over the whole of it.
      if (s.lanes_reduce && s.lane_limit.valid()) {
        std::string name = pool_.var(s.lanes.var).name;
        s.lanes.var = bind(name, pool_.axis(name, s.lane_limit));
      }
    }
    in_.expect("{");
    constexpr Monoid kMonoids[] = {Monoid::Sum, Monoid::Prod, Monoid::Max, Monoid::Min, Monoid::Custom};
    for (bool found = true; found && !in_.failed();) {
      found = false;
      for (Monoid monoid : kMonoids) {
        if (!in_.accept(spelling(monoid))) continue;
        s.accumulators.push_back(accumulator(monoid));
        found = true;
      }
    }
    if (!s.accumulators.empty()) reduction(s);
    while (!in_.failed() && !in_.accept("}")) s.stores.push_back(store());
    scope_.vars = std::move(outside);
    return s;
  }

  Accumulator accumulator(Monoid monoid) {
    std::string name = in_.name();
    in_.expect("=");
    Expr init = expr();
    Expr var = pool_.new_var({.name = name, .type = pool_.type(init), .lo = -kIndexMax});
    return {.var = bind(name, var), .init = init, .update = {}, .monoid = monoid};
  }

  void reduction(Stmt& s) {
    auto outside = scope_.vars;
    in_.expect("reduce");
    while (!in_.failed() && !in_.at("{")) {
      TileReduce r;
      r.var = axis();
      r.extent = pool_.var(r.var).extent;
      r.kind = in_.accept("unroll") ? ReduceKind::Unroll : in_.accept("atom") ? ReduceKind::Atom : ReduceKind::Loop;
      if (in_.accept("by")) r.unroll = in_.integer<int64_t>();
      if (in_.accept("partial")) r.partial = in_.integer<int64_t>();
      r.halves = in_.accept("halves");
      s.reduce.push_back(r);
      if (!in_.accept(",")) break;
    }
    in_.expect("{");
    while (in_.accept("prefetch")) {
      s.prefetch.push_back(place());
      if (in_.accept("near")) s.prefetch.back().level = 1;
    }
    for (Accumulator& a : s.accumulators) {
      if (in_.name() != pool_.var(a.var).name) in_.error("updates stand in the order of the accumulators");
      in_.expect("=");
      a.update = expr();
    }
    in_.expect("}");
    scope_.vars = std::move(outside);
  }

  Kernel& k_;
};

class ModuleParser : Body {
 public:
  ModuleParser(Lexer& in, Module& module) : Body(in, module.pool), m_(module) {}

  void parse() {
    in_.expect("module");
    m_.name = in_.name();
    in_.expect("{");
    while (in_.accept("symbol")) m_.symbols.push_back(symbol());
    if (in_.accept("require")) m_.requirement = expr();
    while (in_.accept("input")) m_.inputs.push_back(port());
    while (in_.accept("output")) m_.outputs.push_back(port());
    while (in_.accept("element")) m_.data_symbols.push_back(data_symbol());
    while (in_.accept("state")) m_.states.push_back(state());
    while (in_.accept("constant")) constant();
    while (in_.accept("buffer")) buffer_declaration();
    if (in_.accept("workspace")) m_.workspace_bytes = expr();
    if (in_.accept("scratch")) m_.scratch_bytes = expr();
    while (in_.accept("kernel")) {
      Kernel kernel;
      KernelParser(in_, kernel).parse();
      std::string name = kernel.name;
      if (!kernels_.try_emplace(name, m_.kernels.push(std::move(kernel))).second)
        in_.error("there are two kernels named `" + name + '`');
    }
    in_.expect("host");
    m_.host = body();
    in_.expect("}");
  }

 private:
  Port port() {
    Port p;
    p.name = in_.name();
    in_.expect(":");
    p.type = in_.dtype();
    p.dims = exprs("[", "]");
    return p;
  }

  ModuleState state() {
    ModuleState s{.input = in_.integer<int>()};
    in_.expect("=");
    s.output = in_.integer<int>();
    s.name = in_.name();
    in_.expect("axis");
    s.axis = in_.integer<int>();
    in_.expect("from");
    s.past = expr();
    in_.expect("to");
    s.present = expr();
    in_.expect("of");
    s.capacity = expr();
    return s;
  }

  DataSymbol data_symbol() {
    DataSymbol d{.symbol = expr()};
    in_.expect("=");
    d.input = in_.integer<int>();
    in_.expect("[");
    d.element = in_.integer<int64_t>();
    in_.expect("]");
    return d;
  }

  void constant() {
    PackedConstant c;
    c.name = in_.name();
    in_.expect(":");
    in_.expect("source");
    c.source = ConstantId(in_.integer<uint32_t>());
    in_.expect("dims");
    in_.list("[", "]", [&] { c.dims.push_back(in_.integer<int64_t>()); });
    if (in_.accept("as")) c.rounded = in_.dtype();
    if (in_.accept("parts")) c.parts = in_.integer<int64_t>();
    if (in_.accept("winograd")) {
      c.winograd = in_.integer<int64_t>();
      if (c.winograd != 2 && c.winograd != 4) in_.error("winograd 2 or 4");
    }
    if (in_.accept("layout")) {
      auto layout = parse_layout(in_.string());
      if (layout) c.layout = *layout;
      else in_.error(layout.error()[0].message);
    }
    in_.expect("offset");
    c.offset = in_.integer<int64_t>();
    in_.expect("bytes");
    c.bytes = in_.integer<int64_t>();
    m_.constants.push_back(std::move(c));
  }

  void buffer_declaration() {
    HostBuffer b;
    b.name = in_.name();
    in_.expect(":");
    b.type = in_.dtype();
    if (in_.accept("input")) b.kind = HostBufferKind::Input;
    else if (in_.accept("output")) b.kind = HostBufferKind::Output;
    else if (in_.accept("constant")) b.kind = HostBufferKind::Constant;
    else if (in_.accept("part")) {
      b.kind = HostBufferKind::Part;
      in_.expect("of");
      b.whole = buffer();
    } else in_.expect("workspace"), b.kind = HostBufferKind::Workspace;
    if (in_.at(Lexer::Kind::Number)) b.index = in_.integer<int>();
    in_.expect("bytes");
    b.bytes = expr();
    if (in_.accept("offset")) b.offset = expr();
    std::string name = b.name;
    DType type = b.type;
    add_buffer(name, m_.buffers.push(std::move(b)), type);
  }

  std::vector<HostStmt> body() {
    return block([&] { return statement(); });
  }

  HostStmt statement() {
    if (in_.accept("let")) {
      auto [var, value] = let();
      return {.kind = HostStmt::Kind::Let, .var = var, .value = value};
    }
    if (in_.accept("copy")) {
      BufferId to = buffer();
      in_.expect(",");
      return {.kind = HostStmt::Kind::Copy, .buffers = {to, buffer()}};
    }
    if (in_.accept("if")) {
      HostStmt s{.kind = HostStmt::Kind::If, .value = expr()};
      s.body = body();
      if (in_.accept("else")) s.otherwise = body();
      return s;
    }
    if (in_.accept("while")) {
      HostStmt s{.kind = HostStmt::Kind::While, .value = expr()};
      s.body = body();
      return s;
    }
    in_.expect("call");
    HostStmt s{.kind = HostStmt::Kind::Call};
    std::string name = in_.name();
    auto it = kernels_.find(name);
    if (it == kernels_.end()) in_.error("no kernel is named `" + name + '`');
    else s.kernel = it->second;
    arguments(s.buffers, s.symbols);
    return s;
  }

  Module& m_;
  std::unordered_map<std::string, KernelId> kernels_;
};

}  // namespace

Result<Module> parse_module(std::string_view text) {
  Module module;
  Lexer in(text);
  ModuleParser(in, module).parse();
  if (!in.at(Lexer::Kind::End)) in.error("text goes on after the module");
  if (in.failed()) return in.failure();
  TENON_DO(verify(module));
  return module;
}

}  // namespace tenon
