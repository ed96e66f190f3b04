// Prints kernels and modules; loops_parse.cpp reads the same form. docs/ir.md has the grammar.
#include "names.h"
#include "tenon/loops.h"

namespace tenon {

namespace {

std::string joined(const std::string& a, const char* between, const std::string& b) {
  return a.empty() || b.empty() ? a + b : a + between + b;
}

class KernelPrinter {
 public:
  explicit KernelPrinter(const Kernel& kernel) : k_(kernel), names_(kernel.pool) {}

  std::string print() {
    Names::Scope symbols(names_);
    for (size_t b = 0; b < k_.buffers.size(); ++b) names_.add_buffer(BufferId(b), k_.buffers[BufferId(b)].name);
    out_.open("kernel " + name_text(k_.name));
    for (const NodeRef& origin : k_.origins)
      if (origin != NodeRef{}) out_.line(origin_text(origin));
    for (Expr s : k_.symbols) {
      symbols.bind(s);
      out_.line("symbol " + Names::symbol(k_.pool.var(s)));
    }
    for (size_t b = 0; b < k_.buffers.size(); ++b) declare(BufferId(b));
    if (k_.short_functions) out_.line("short functions");
    block(k_.body);
    out_.close();
    return out_.take();
  }

 private:
  void declare(BufferId b) {
    const LoopBuffer& buffer = k_.buffers[b];
    out_.line((buffer.space == Space::Param ? "param " : "scratch ") + names_.buffer(b) + ": " +
              std::string(spelling(buffer.type)) + '[' + names_.expr(buffer.size) + ']' +
              (buffer.written ? " written" : "") + (buffer.align ? " align " + std::to_string(buffer.align) : ""));
  }

  void block(const std::vector<Stmt>& body) {
    Names::Scope lets(names_);
    for (const Stmt& s : body) statement(s, lets);
  }

  void statement(const Stmt& s, Names::Scope& lets) {
    switch (s.kind) {
      case StmtKind::For: {
        Names::Scope scope(names_);
        out_.open((s.parallel ? "parallel for " : "for ") + scope.bind(s.var, s.extent));
        block(s.body);
        return out_.close();
      }
      case StmtKind::Let: {
        std::string value = names_.expr(s.value);
        Expr extent = k_.pool.var(s.var).extent;
        return out_.line("let " + (extent.valid() ? lets.bind(s.var, extent) : lets.bind(s.var)) + " = " + value);
      }
      case StmtKind::If:
        out_.open("if " + names_.expr(s.value));
        block(s.body);
        if (!s.otherwise.empty()) {
          out_.close_open("else");
          block(s.otherwise);
        }
        return out_.close();
      case StmtKind::While:
        out_.open("while " + names_.expr(s.value));
        block(s.body);
        return out_.close();
      case StmtKind::Store: return store(s.stores[0]);
      case StmtKind::Tile: return tile(s);
      case StmtKind::Call: {
        std::string buffers;
        for (BufferId b : s.buffers) buffers = joined(buffers, ", ", names_.buffer(b));
        return out_.line("call " + name_text(s.routine) + '(' + buffers + (s.scalars.empty() ? "" : "; ") +
                         names_.exprs(s.scalars) + ')');
      }
    }
  }

  void store(const TileStore& s) {
    out_.line(names_.buffer(s.buffer) + '[' + names_.expr(s.offset) + "] = " + names_.expr(s.value) +
              (s.condition.valid() ? " if " + names_.expr(s.condition) : ""));
  }

  void tile(const Stmt& s) {
    Names::Scope scope(names_);
    std::string rows, lanes;
    for (const TileAxis& row : s.rows)
      rows = joined(rows, ", ", scope.bind(row.var) + " < " + std::to_string(row.extent));
    if (!rows.empty()) rows = " rows(" + rows + ')';
    if (s.lanes.var.valid()) {
      std::string limit = s.lane_limit.valid() ? " of " + names_.expr(s.lane_limit) : "";
      lanes = (s.lanes_reduce ? " reduce_lanes(" : " lanes(") + scope.bind(s.lanes.var) + " < " +
              std::to_string(s.lanes.extent) + limit + ')';
    }
    out_.open(std::string("tile") + (s.matrix ? " matrix" : "") + (s.results_ahead ? " ahead" : "") + rows + lanes);
    for (const Accumulator& a : s.accumulators) {
      std::string init = names_.expr(a.init);
      out_.line(std::string(spelling(a.monoid)) + ' ' + scope.bind(a.var) + " = " + init);
    }
    if (!s.accumulators.empty()) reduction(s);
    for (const TileStore& t : s.stores) store(t);
    out_.close();
  }

  void reduction(const Stmt& s) {
    Names::Scope scope(names_);
    std::string axes;
    for (const TileReduce& r : s.reduce) {
      std::string axis = scope.bind(r.var, r.extent);
      if (r.kind == ReduceKind::Unroll) axis += " unroll";
      if (r.kind == ReduceKind::Atom) axis += " atom";
      if (r.unroll != 1) axis += " by " + std::to_string(r.unroll);
      if (r.partial != 0) axis += " partial " + std::to_string(r.partial);
      if (r.halves) axis += " halves";
      axes = joined(axes, ", ", axis);
    }
    out_.open(joined("reduce", " ", axes));
    for (const TilePrefetch& f : s.prefetch) out_.line("prefetch " + names_.buffer(f.buffer) + '[' + names_.expr(f.offset) + (f.level == 1 ? "] near" : "]"));
    for (const Accumulator& a : s.accumulators) out_.line(names_.var(a.var) + " = " + names_.expr(a.update));
    out_.close();
  }

  const Kernel& k_;
  Names names_;
  Writer out_;
};

class ModulePrinter {
 public:
  explicit ModulePrinter(const Module& module) : m_(module), names_(module.pool) {}

  std::string print() {
    Names::Scope symbols(names_);
    out_.open("module " + name_text(m_.name));
    for (Expr s : m_.symbols) {
      symbols.bind(s);
      out_.line("symbol " + Names::symbol(m_.pool.var(s)));
    }
    if (m_.requirement.valid()) out_.line("require " + names_.expr(m_.requirement));
    for (const Port& p : m_.inputs) port("input ", p);
    for (const Port& p : m_.outputs) port("output ", p);
    for (const DataSymbol& d : m_.data_symbols)
      out_.line("element " + names_.expr(d.symbol) + " = " + std::to_string(d.input) + '[' + std::to_string(d.element) + ']');
    for (const ModuleState& s : m_.states)
      out_.line("state " + std::to_string(s.input) + " = " + std::to_string(s.output) + ' ' + name_text(s.name) + " axis " +
                std::to_string(s.axis) + " from " + names_.expr(s.past) + " to " + names_.expr(s.present) + " of " + names_.expr(s.capacity));
    for (const PackedConstant& c : m_.constants) constant(c);
    for (size_t b = 0; b < m_.buffers.size(); ++b) buffer(BufferId(b));
    if (m_.workspace_bytes.valid()) out_.line("workspace " + names_.expr(m_.workspace_bytes));
    if (m_.scratch_bytes.valid()) out_.line("scratch " + names_.expr(m_.scratch_bytes));
    for (const Kernel& k : m_.kernels) out_.block(tenon::print(k));
    out_.open("host");
    block(m_.host);
    out_.close();
    out_.close();
    return out_.take();
  }

 private:
  void port(const char* role, const Port& p) {
    out_.line(role + name_text(p.name) + ": " + std::string(spelling(p.type)) + '[' + names_.exprs(p.dims) + ']');
  }

  void constant(const PackedConstant& c) {
    std::string dims;
    for (int64_t d : c.dims) dims = joined(dims, ", ", std::to_string(d));
    out_.line("constant " + name_text(c.name) + ": source " + std::to_string(c.source.index) + " dims [" + dims + ']' +
              (c.rounded ? " as " + std::string(spelling(*c.rounded)) : "") +
              (c.parts > 1 ? " parts " + std::to_string(c.parts) : "") +
              (c.winograd > 0 ? " winograd " + std::to_string(c.winograd) : "") +
              (c.layout.row_major() ? "" : " layout " + quoted(tenon::print(c.layout))) + " offset " +
              std::to_string(c.offset) + " bytes " + std::to_string(c.bytes));
  }

  void buffer(BufferId b) {
    constexpr std::string_view kKinds[] = {"input", "output", "constant", "workspace", "part"};
    const HostBuffer& buffer = m_.buffers[b];
    names_.add_buffer(b, buffer.name);
    out_.line("buffer " + names_.buffer(b) + ": " + std::string(spelling(buffer.type)) + ' ' +
              std::string(kKinds[static_cast<size_t>(buffer.kind)]) +
              (buffer.index >= 0 ? ' ' + std::to_string(buffer.index) : "") +
              (buffer.whole.valid() ? " of " + names_.buffer(buffer.whole) : "") + " bytes " + names_.expr(buffer.bytes) +
              (buffer.offset.valid() ? " offset " + names_.expr(buffer.offset) : ""));
  }

  void block(const std::vector<HostStmt>& body) {
    Names::Scope lets(names_);
    for (const HostStmt& s : body) statement(s, lets);
  }

  void statement(const HostStmt& s, Names::Scope& lets) {
    std::string buffers;
    for (BufferId b : s.buffers) buffers = joined(buffers, ", ", names_.buffer(b));
    switch (s.kind) {
      case HostStmt::Kind::Call:
        return out_.line("call " + name_text(m_.kernels[s.kernel].name) + '(' + buffers +
                         (s.symbols.empty() ? "" : "; ") + names_.exprs(s.symbols) + ')');
      case HostStmt::Kind::Copy: return out_.line("copy " + buffers);
      case HostStmt::Kind::Let: {
        std::string value = names_.expr(s.value);
        return out_.line("let " + lets.bind(s.var) + " = " + value);
      }
      case HostStmt::Kind::If:
        out_.open("if " + names_.expr(s.value));
        block(s.body);
        if (!s.otherwise.empty()) {
          out_.close_open("else");
          block(s.otherwise);
        }
        return out_.close();
      case HostStmt::Kind::While:
        out_.open("while " + names_.expr(s.value));
        block(s.body);
        return out_.close();
    }
  }

  const Module& m_;
  Names names_;
  Writer out_;
};

}  // namespace

std::string print(const Kernel& kernel) { return KernelPrinter(kernel).print(); }
std::string print(const Module& module) { return ModulePrinter(module).print(); }

}  // namespace tenon
