#include "names.h"
#include "tenon/region.h"

namespace tenon {

std::string_view spelling(Monoid monoid) {
  constexpr std::string_view kNames[] = {"sum", "prod", "max", "min", "custom"};
  return kNames[static_cast<size_t>(monoid)];
}

namespace {

class RegionPrinter {
 public:
  explicit RegionPrinter(const Region& region) : r_(region), names_(region.pool) {}

  std::string print() {
    for (size_t b = 0; b < r_.buffers.size(); ++b) names_.add_buffer(BufferId(b), r_.buffers[BufferId(b)].name);
    out_.open("region " + name_text(r_.name));
    for (const NodeRef& origin : r_.origins)
      if (origin != NodeRef{}) out_.line(origin_text(origin));
    for (size_t b = 0; b < r_.buffers.size(); ++b) declare(BufferId(b));
    for (const Statement& s : r_.statements) statement(s);
    out_.close();
    return out_.take();
  }

 private:
  void declare(BufferId b) {
    const RegionBuffer& buffer = r_.buffers[b];
    std::string role = buffer.is_input ? "input " : buffer.is_output ? "output " : "temporary ";
    out_.line(role + names_.buffer(b) + ": " + std::string(spelling(buffer.type)) + '[' + names_.exprs(buffer.dims) + ']');
  }

  std::string bind_all(Names::Scope& scope, std::span<const Expr> axes) {
    std::string text;
    for (Expr axis : axes) text += (text.empty() ? "" : ", ") + scope.bind(axis, r_.pool.var(axis).extent);
    return text;
  }

  void statement(const Statement& s) {
    if (!s.routine.empty()) {
      std::string operands = names_.buffer(s.out);
      for (BufferId b : s.operands) operands += ", " + names_.buffer(b);
      return out_.line("call " + s.routine + '(' + operands + (s.scalars.empty() ? "" : "; ") + names_.exprs(s.scalars) + ')');
    }
    Names::Scope scope(names_);
    std::string axes = bind_all(scope, s.axes);
    if (!axes.empty()) out_.open("for " + axes);
    for (const Accumulator& a : s.accumulators) {
      std::string init = names_.expr(a.init);
      out_.line(std::string(spelling(a.monoid)) + ' ' + scope.bind(a.var) + " = " + init);
    }
    if (!s.accumulators.empty()) {
      Names::Scope inner(names_);
      out_.open((s.scan ? "scan " : "reduce ") + bind_all(inner, s.reduce_axes));
      for (const Accumulator& a : s.accumulators) out_.line(names_.var(a.var) + " = " + names_.expr(a.update));
      if (s.scan) write(s);
      out_.close();
    }
    if (!s.scan) write(s);
    if (!axes.empty()) out_.close();
  }

  void write(const Statement& s) {
    out_.line(names_.buffer(s.out) + '[' + names_.exprs(s.indices) + "] = " + names_.expr(s.value) +
              (s.condition.valid() ? " if " + names_.expr(s.condition) : ""));
    for (const Statement::Also& more : s.also)
      out_.line(names_.buffer(s.out) + '[' + names_.exprs(more.indices) + "] = " + names_.expr(more.value));
  }

  const Region& r_;
  Names names_;
  Writer out_;
};

}  // namespace

std::string print(const Region& region) { return RegionPrinter(region).print(); }

}  // namespace tenon
