// Plans as text, the grammar of schedule and lock files. docs/plan.md describes it.
#include <algorithm>

#include "expr_text.h"
#include "names.h"
#include "tenon/hash.h"
#include "tenon/plan.h"

namespace tenon {

namespace {

constexpr std::string_view kPlacements[] = {"root", "inline", "attached"};

std::string name_of(const Graph& graph, ValueId v) { return value_name_text(graph.values[v].name); }

// A node is called by its first output.
std::string node_name(const Graph& graph, int node) {
  const Node& n = graph.nodes[static_cast<size_t>(node)];
  auto first = std::ranges::find_if(n.outputs, &ValueId::valid);
  TENON_CHECK(first != n.outputs.end(), "a node has no output");
  return name_of(graph, *first);
}

std::string knobs_text(const Knobs& knobs) {
  std::string text;
  for (const auto& [knob, value] : knobs.changed())
    text += ' ' + std::string(knob_table()[static_cast<size_t>(knob)].name) + '=' + std::to_string(value);
  return text;
}

void print_region(Writer& out, const RegionPlan& region, const Graph& graph) {
  out.open("region " + name_text(region.name));
  std::string nodes;
  for (int node : region.nodes) nodes += (nodes.empty() ? "" : ", ") + node_name(graph, node);
  out.line("nodes " + nodes);
  auto placed = region.placed;
  std::ranges::sort(placed, {}, [&](const auto& p) { return graph.values[p.first].name; });
  for (auto [value, placement] : placed)
    out.line("place " + name_of(graph, value) + ' ' + std::string(kPlacements[static_cast<size_t>(placement)]));
  if (region.precision != DType::F32) out.line("precision " + std::string(spelling(region.precision)));
  if (region.provider != Provider::Own) out.line("provider onednn");
  for (const Variant& variant : region.schedule.variants) {
    std::string knobs = knobs_text(variant.knobs);
    for (const auto& [value, own] : variant.producers) knobs += " of " + name_of(graph, value) + ':' + knobs_text(own);
    out.line((variant.predicate.empty() ? "otherwise:" : "when " + variant.predicate + ':') + knobs);
  }
  out.close();
}

class PlanParser {
 public:
  PlanParser(Lexer& in, const Graph& graph) : in_(in), g_(graph) {
    for (size_t v = 0; v < graph.values.size(); ++v) values_.emplace(graph.values[ValueId(v)].name, ValueId(v));
    for (size_t n = 0; n < graph.nodes.size(); ++n)
      for (ValueId out : graph.nodes[n].outputs)
        if (out.valid()) makers_.emplace(out, static_cast<int>(n));
  }

  Plan parse() {
    Plan plan;
    in_.expect("target");
    plan.target = in_.string();
    in_.expect("graph");
    plan.graph_hash = in_.string();
    while (in_.accept("layout")) {
      ValueId v = value();
      auto layout = parse_layout(in_.string());
      if (layout && fits(*layout, g_.values[v].dims.size())) plan.layouts.emplace_back(v, *layout);
      else in_.error(layout ? "the layout does not fit the rank" : layout.error()[0].message);
    }
    while (in_.accept("view")) {
      ValueId v = value();
      in_.expect("of");
      plan.views.emplace_back(v, value());
    }
    while (in_.accept("part")) plan.parts.push_back(part());
    while (in_.accept("region")) plan.regions.push_back(region());
    return plan;
  }

  // The grammar is broken, or the text is of another model.
  std::unexpected<Diags> failure() const {
    auto failed = in_.failure();
    if (misfit_) failed.error()[0].code = Code::E0403;
    return failed;
  }

 private:
  void misfit(std::string message) {
    misfit_ |= !in_.failed();
    in_.error(std::move(message));
  }

  ValueId value() {
    std::string name = in_.value_name();
    auto it = values_.find(name);
    if (it != values_.end()) return it->second;
    misfit("the graph has no value %" + name);
    return ValueId(0);
  }

  Part part() {
    Part p{.value = value(), .whole = {}};
    in_.expect("of");
    p.whole = value();
    p.dim = in_.integer<int>();
    in_.expect(":");
    p.begin = in_.integer<int64_t>();
    return p;
  }

  int node() {
    ValueId v = value();
    auto it = makers_.find(v);
    if (it == makers_.end()) misfit("no node makes " + name_of(g_, v));
    else if (!assigned_.insert(it->second).second) misfit(name_of(g_, v) + " is in two regions");
    return it == makers_.end() ? 0 : it->second;
  }

  RegionPlan region() {
    RegionPlan r;
    r.name = in_.name();
    in_.expect("{");
    in_.expect("nodes");
    do r.nodes.push_back(node());
    while (in_.accept(","));
    std::ranges::sort(r.nodes);
    while (in_.accept("place")) {
      ValueId v = value();
      auto placement = std::ranges::find_if(kPlacements, [&](std::string_view p) { return in_.accept(p); });
      if (placement == std::end(kPlacements)) in_.error("a placement is root, inline or attached");
      else r.placed.emplace_back(v, static_cast<Placement>(placement - std::begin(kPlacements)));
    }
    std::ranges::sort(r.placed);
    if (in_.accept("precision")) r.precision = in_.dtype();
    if (in_.accept("provider")) {
      if (in_.accept("onednn")) r.provider = Provider::OneDnn;
      else in_.error("the only provider is onednn");
    }
    r.schedule.variants.clear();
    while (!in_.failed() && !in_.accept("}")) r.schedule.variants.push_back(variant());
    if (!in_.failed() && (r.schedule.variants.empty() || !r.schedule.variants.back().predicate.empty()))
      in_.error("the last variant of region " + r.name + " is `otherwise`");
    return r;
  }

  Variant variant() {
    Variant v;
    if (!in_.accept("otherwise")) {
      if (!in_.at("when")) in_.expect("when");
      v.predicate = predicate();
    } else {
      in_.expect(":");
    }
    v.knobs = knobs();
    while (in_.accept("of")) {
      ValueId of = value();
      in_.expect(":");
      v.producers.emplace_back(of, knobs());
    }
    return v;
  }

  Knobs knobs() {
    Knobs read;
    while (in_.at(Lexer::Kind::Name) && !in_.at("when") && !in_.at("otherwise") && !in_.at("of")) {
      std::string name = in_.name();
      auto knob = std::ranges::find(knob_table(), name, &KnobInfo::name);
      if (knob == knob_table().end()) misfit("no knob is named `" + name + '`');
      in_.expect("=");
      int64_t number = in_.integer<int64_t>();
      if (!in_.failed()) read.set(static_cast<Knob>(knob - knob_table().begin()), number);
    }
    return read;
  }

  // The text of a condition over dim symbols, checked.
  std::string predicate() {
    std::string text = in_.until(':');
    if (in_.failed() || text.size() < 4) return {};  // it ends before "when"
    text.erase(0, 4);
    text.erase(0, text.find_first_not_of(' '));
    ExprPool pool;
    auto condition = parse_expr(pool, text);
    if (!condition || pool.type(*condition) != DType::Bool)
      in_.error("`" + text + "` is not a condition over dims");
    return text;
  }

  Lexer& in_;
  const Graph& g_;
  std::unordered_map<std::string, ValueId> values_;
  std::unordered_map<ValueId, int> makers_;
  std::unordered_set<int> assigned_;
  bool misfit_ = false;
};

}  // namespace

std::string print(const Plan& plan, const Graph& graph) {
  Writer out;
  out.line("target " + quoted(plan.target));
  out.line("graph " + quoted(plan.graph_hash));
  std::vector<std::string> lines;
  for (const auto& [value, layout] : plan.layouts)
    lines.push_back("layout " + name_of(graph, value) + ' ' + quoted(print(layout)));
  std::ranges::sort(lines);
  auto views = lines.size();
  for (auto [value, of] : plan.views) lines.push_back("view " + name_of(graph, value) + " of " + name_of(graph, of));
  std::sort(lines.begin() + static_cast<std::ptrdiff_t>(views), lines.end());
  auto parts = lines.size();
  for (const Part& p : plan.parts)
    lines.push_back("part " + name_of(graph, p.value) + " of " + name_of(graph, p.whole) + ' ' + std::to_string(p.dim) + ':' + std::to_string(p.begin));
  std::sort(lines.begin() + static_cast<std::ptrdiff_t>(parts), lines.end());
  for (const std::string& line : lines) out.line(line);
  for (const RegionPlan& region : plan.regions) print_region(out, region, graph);
  return out.take();
}

Result<Plan> parse_plan(std::string_view text, const Graph& graph) {
  Lexer in(text);
  PlanParser parser(in, graph);
  Plan plan = parser.parse();
  if (!in.at(Lexer::Kind::End)) in.error("text goes on after the last region");
  if (in.failed()) return parser.failure();
  return plan;
}

std::string hash(const Graph& graph) { return hex(blake3(print(graph))); }

}  // namespace tenon
