#include "tenon/points.h"

#include <algorithm>
#include <charconv>

#include "tenon/ops.h"

namespace tenon {

namespace {

std::unexpected<Diags> not_understood(std::string_view text) {
  return fail(Code::E0601, "--tune-at " + std::string(text) + " is not understood", "--tune-at S=1,S=128, or with the other dims of each, S=1,P=512,S=128,P=0");
}

// `dim == number` in a conjunction.
void add_equalities(const ExprPool& pool, Expr e, DimValues& fixed) {
  if (pool.op(e) == SOp::And)
    for (Expr part : pool.operands(e)) add_equalities(pool, part, fixed);
  if (pool.op(e) != SOp::Eq) return;
  Expr dim = pool.operands(e)[0], number = pool.operands(e)[1];
  if (pool.op(dim) != SOp::Var) std::swap(dim, number);
  if (const auto value = pool.as_int(number); value && pool.op(dim) == SOp::Var) fixed.emplace(pool.var(dim).name, *value);
}

std::string condition(const DimValues& key) {
  std::string text;
  for (const auto& [dim, value] : key) text += (text.empty() ? "" : " & ") + dim + " == " + std::to_string(value);
  return text;
}

// Of a condition over dims, "" always: 0 or 1; nothing where it depends on others.
Result<std::optional<int64_t>> value_at(const std::string& predicate, const DimValues& values) {
  if (predicate.empty()) return 1;
  ExprPool pool;
  TENON_TRY(const Expr condition, parse_expr(pool, predicate));
  ExprPool::Substitution map;
  for (const auto& [dim, value] : values)
    if (const Expr symbol = pool.symbol_named(dim); symbol.valid()) map.emplace(symbol, pool.index(value));
  return pool.as_int(pool.substitute(condition, map));
}

}  // namespace

DimValues Point::all() const {
  DimValues values = key;
  values.insert(others.begin(), others.end());
  return values;
}

Result<std::vector<Point>> parse_points(std::string_view text) {
  std::vector<Point> points;
  std::string first;
  for (size_t at = 0; at <= text.size();) {
    const std::string_view item = text.substr(at, std::min(text.find(',', at), text.size()) - at);
    at += item.size() + 1;
    const size_t equal = item.find('=');
    int64_t value = 0;
    if (equal == item.npos || equal == 0) return not_understood(text);
    const auto [end, error] = std::from_chars(item.data() + equal + 1, item.data() + item.size(), value);
    if (error != std::errc() || end != item.data() + item.size() || value < 0) return not_understood(text);
    const std::string dim(item.substr(0, equal));
    if (first.empty()) first = dim;
    if (dim == first) points.push_back({.key = {{dim, value}}, .others = {}});
    else if (!points.back().others.emplace(dim, value).second) return not_understood(text);
  }
  for (size_t k = 0; k < points.size(); ++k)
    for (size_t before = 0; before < k; ++before)
      if (points[k].key == points[before].key)
        return fail(Code::E0601, "--tune-at names " + print(Point{points[k].key, {}}) + " twice", "schedules are told apart by " + first + ": give each of its values once");
  return points;
}

std::string print(const Point& point) {
  std::string text;
  for (const auto* values : {&point.key, &point.others})
    for (const auto& [dim, value] : *values) text += (text.empty() ? "" : ",") + dim + '=' + std::to_string(value);
  return text;
}

Result<Graph> bind_dims(const Graph& graph, const DimValues& values) {
  Graph bound = graph;
  for (const auto& [dim, value] : values) {
    const Expr symbol = bound.pool.symbol_named(dim);
    if (!symbol.valid() || bound.replaced.contains(symbol)) return fail(Code::E0601, "the model has no free dim " + dim, "tenon inspect shows the dims of a model");
    if (value < bound.pool.var(symbol).lo || value > bound.pool.var(symbol).hi)
      return fail(Code::E0601, dim + '=' + std::to_string(value) + " lies outside of what the model allows: " + std::to_string(bound.pool.var(symbol).lo) + " to " + std::to_string(bound.pool.var(symbol).hi));
    TENON_DO(unify_dims(bound, symbol, bound.pool.index(value)));
  }
  return bound;
}

DimValues equalities(std::string_view predicate) {
  DimValues fixed;
  ExprPool pool;
  if (predicate.empty()) return fixed;
  if (const auto condition = parse_expr(pool, predicate)) add_equalities(pool, *condition, fixed);
  return fixed;
}

Result<Plan> plan_at(const Plan& plan, const DimValues& values) {
  Plan at = plan;
  for (RegionPlan& region : at.regions) {
    std::vector<Variant> called;  // the first that holds, behind those of which nobody knows
    for (Variant& variant : region.schedule.variants) {
      TENON_TRY(const std::optional<int64_t> holds, value_at(variant.predicate, values));
      if (holds == 0) continue;
      if (holds) variant.predicate.clear();
      called.push_back(std::move(variant));
      if (holds) break;
    }
    region.schedule.variants = std::move(called);
  }
  return at;
}

bool has_own_variants(const Graph& graph, const RegionPlan& region, const DimValues& key) {
  if (region.provider != Provider::Own) return false;
  std::vector<Expr> symbols;
  for (const auto& [dim, value] : key)
    if (const Expr symbol = graph.pool.symbol_named(dim); symbol.valid()) symbols.push_back(symbol);
  auto depends = [&](Expr extent) { return std::ranges::any_of(symbols, [&](Expr symbol) { return graph.pool.depends_on(extent, symbol); }); };
  for (const int n : region.nodes)
    for (const ValueId v : graph.nodes[static_cast<size_t>(n)].outputs)
      if (std::ranges::any_of(graph.values[v].dims, depends)) return true;
  return false;
}

void add_variants(const Graph& graph, Plan& plan, const DimValues& key, const Plan& at) {
  for (size_t r = 0; r < plan.regions.size(); ++r) {
    if (!has_own_variants(graph, plan.regions[r], key)) continue;
    std::vector<Variant> own = at.regions[r].schedule.variants;
    std::vector<Variant>& variants = plan.regions[r].schedule.variants;
    for (Variant& variant : own) variant.predicate = condition(key) + (variant.predicate.empty() ? "" : " & " + variant.predicate);
    std::erase_if(variants, [&](const Variant& v) { return equalities(v.predicate) == key; });  // an earlier one of this point
    variants.insert(variants.begin(), std::make_move_iterator(own.begin()), std::make_move_iterator(own.end()));
  }
}

}  // namespace tenon
