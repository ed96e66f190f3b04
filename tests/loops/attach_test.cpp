// Producers computed at an axis: chains of products, rows and windows under any block give what the graph does.
#include <gtest/gtest.h>

#include <algorithm>
#include <list>

#include "../ops/rig.h"
#include "cases.h"
#include "tenon/plan.h"

namespace tenon::testing {
namespace {

using Symbols = std::unordered_map<std::string, int64_t>;

struct Chain {
  GraphMaker g{"chain"};
  Symbols symbols = {};
  double bound = 0;  // of |result - reference|
};

// Sums of K products of values in [-1, 1] differ from float64 by at most K*K*u, as in lowering_test.cpp; the steps after
// them keep values below 4 and at most double an error.
double sum_bound(int64_t k) { return 4 * static_cast<double>(k * k + 16) * 0x1p-24; }

class Maker : public Dice {
 public:
  using Dice::Dice;

  Chain chain(int kind) { return kind == 0 ? attention() : kind == 1 ? depthwise() : norm(); }

 private:
  // A known extent, or a symbol that has it.
  const char* dim(Chain& c, const char* name, int64_t extent, bool symbolic) {
    if (symbolic) c.symbols[name] = extent;
    return names_.emplace_back(symbolic ? name : std::to_string(extent)).c_str();
  }

  Chain attention() {
    Chain c;
    const bool symbolic = size(0, 1) == 1;
    const int64_t depth = size(1, 9), keys = size(1, 40);
    const char *b = dim(c, "B", size(1, 2), symbolic), *s = dim(c, "S", symbolic ? size(0, 30) : size(4, 30), symbolic),
               *t = dim(c, "T", keys, symbolic), *d = dim(c, "", depth, false), *h = dim(c, "", size(1, 3), false);
    GraphMaker& g = c.g;
    ValueId q = g.input("q", {b, h, s, d}), k = g.input("k", {b, h, t, d}), v = g.input("v", {b, h, t, d}), mask = g.input("mask", {b, "1", s, t});
    ValueId scores = g.node(Op::dot, {q, g.node(Op::transpose, {k}, Attrs().set<Attr::perm>({0, 1, 3, 2}))});
    if (size(0, 1)) scores = g.node(Op::add, {scores, mask});
    ValueId rows = g.node(Op::softmax, {scores}, Attrs().set<Attr::axis>(3));
    ValueId out = g.node(Op::dot, {rows, v});
    g.output(size(0, 1) ? g.node(Op::neg, {out}) : out);
    c.bound = sum_bound(std::max(depth, keys));
    return c;
  }

  Chain depthwise() {
    Chain c;
    const int64_t channels = size(2, 20), kernel = size(1, 5), stride = size(1, 2), extent = size(kernel + 2, 14), filters = size(2, 20);
    const char *n = dim(c, "N", size(1, 2), size(0, 1)), *e = dim(c, "", extent, false), *ch = dim(c, "", channels, false);
    GraphMaker& g = c.g;
    ValueId x = g.node(Op::neg, {g.input("x", {n, ch, e, e})});
    ValueId y = g.node(Op::conv, {x, g.constant({channels, 1, kernel, kernel})}, g.conv({stride, stride}, {kernel / 2, kernel / 2}, channels));
    y = g.node(Op::tanh, {g.node(Op::add, {y, g.constant({channels, 1, 1})})});
    y = g.node(Op::conv, {y, g.constant({filters, channels, 1, 1})}, g.conv({1, 1}, {0, 0}));
    y = g.node(Op::add, {y, g.constant({filters, 1, 1})});  // channels last, as one more convolution reads it
    g.output(g.node(Op::conv, {y, g.constant({3, filters, 1, 1})}, g.conv({1, 1}, {0, 0})));
    // |y| <= channels + 1; its errors are summed, and so are `filters` products.
    const auto sums = static_cast<double>(filters), most = static_cast<double>(channels + 1);
    c.bound = sums * (sum_bound(std::max(channels, kernel * kernel) * 2) + sums * most * 0x1p-24);
    return c;
  }

  Chain norm() {
    Chain c;
    const int64_t width = size(8, 30), columns = size(2, 40);
    const char *s = dim(c, "S", size(4, 30), size(0, 1)), *w = dim(c, "", width, false);
    GraphMaker& g = c.g;
    ValueId rows = g.node(Op::softmax, {g.input("x", {"2", s, w})}, Attrs().set<Attr::axis>(2));
    g.output(g.node(Op::dot, {rows, g.constant({width, columns})}));
    c.bound = sum_bound(width);
    return c;
  }

  std::list<std::string> names_;
};

// What differs, or "".
std::string differs(const Chain& c, const std::function<void(Plan&)>& edit) {
  std::vector<Tensor> inputs;
  const Graph& graph = c.g.graph;
  ExprPool::Bindings bindings;
  for (const auto& [name, value] : c.symbols) bindings[graph.pool.symbol_named(name)] = value;
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    std::vector<int64_t> dims;
    for (Expr d : graph.values[graph.inputs[i]].dims) dims.push_back(*graph.pool.evaluate(d, bindings));
    inputs.push_back(GraphMaker::random(DType::F32, dims, i + 1));
  }
  auto expected = evaluate(graph, inputs, {.dims = c.symbols});
  if (!expected) return expected.error()[0].message;
  auto got = run_lowered(graph, inputs, c.symbols, edit);
  if (!got) return std::string(code_name(got.error()[0].code)) + ": " + got.error()[0].message;
  for (size_t k = 0; k < (*expected)[0].f.size(); ++k)
    if (const double e = (*expected)[0].f[k], a = (*got)[0].f[k]; !(std::abs(e - a) <= c.bound))
      return "element " + std::to_string(k) + ": " + std::to_string(a) + " for " + std::to_string(e);
  return {};
}

bool joined(const RegionPlan& region) { return region.schedule.variants.back().knobs[Knob::attach_block] > 0; }

// Joins a depthwise convolution to the one that reads it, which rules do for large images only.
void join_windows(Plan& plan, const Graph& graph) {
  auto holds = [&](const RegionPlan& r, auto&& test) {
    return std::ranges::any_of(r.nodes, [&](int n) { return test(graph.nodes[static_cast<size_t>(n)]); });
  };
  auto producer = std::ranges::find_if(plan.regions, [&](const RegionPlan& r) {
    return holds(r, [](const Node& n) { return n.op == Op::conv && n.attrs.get<Attr::groups>() > 1; });
  });
  auto joined_already = [](const Node& n) { return n.op == Op::conv && n.attrs.get<Attr::groups>() == 1; };  // no window, no overlap
  if (producer == plan.regions.end() || holds(*producer, joined_already)) return;
  auto root = std::ranges::find(producer->placed, Placement::Root, &std::pair<ValueId, Placement>::second);
  auto reader = std::ranges::find_if(plan.regions, [&](const RegionPlan& r) {
    return &r != &*producer && holds(r, [&](const Node& n) { return std::ranges::find(n.inputs, root->first) != n.inputs.end(); });
  });
  Variant& variant = reader->schedule.variants[0];
  variant.knobs.set(Knob::attach, 2);
  variant.knobs.set(Knob::attach_block, 4);
  variant.producers.emplace_back(root->first, Knobs{});
  root->second = Placement::Attached;
  reader->nodes.insert(reader->nodes.end(), producer->nodes.begin(), producer->nodes.end());
  std::ranges::sort(reader->nodes);
  reader->placed.insert(reader->placed.end(), producer->placed.begin(), producer->placed.end());
  plan.regions.erase(producer);
}

class AttachChains : public ::testing::TestWithParam<int> {};

TEST_P(AttachChains, AnyBlockAndTile) {
  int chains = 0;
  for (unsigned seed = 0; seed < 24; ++seed) {
    Maker maker(seed);
    const Chain c = maker.chain(GetParam());
    std::string knobs;
    auto edit = [&](Plan& plan) {
      join_windows(plan, c.g.graph);
      for (RegionPlan& region : plan.regions) {
        if (!joined(region)) continue;
        ++chains;
        Variant& variant = region.schedule.variants.back();
        variant.knobs.set(Knob::attach_block, maker.size(0, 16));
        if (maker.size(0, 2) == 0) variant.knobs.set(Knob::attach, maker.size(1, variant.knobs[Knob::attach]));
        variant.knobs.set(Knob::rows, maker.size(1, 5));
        for (auto& [value, own] : variant.producers) {
          own.set(Knob::rows, maker.size(1, 4));
          own.set(Knob::vectors, maker.size(1, 3));
        }
      }
      knobs = print(plan, c.g.graph);
    };
    EXPECT_EQ(differs(c, edit), "") << "seed " << seed << "\n" << print(c.g.graph) << knobs;
  }
  EXPECT_GT(chains, 12);
}

constexpr const char* kKinds[] = {"Attention", "Depthwise", "Rows"};
INSTANTIATE_TEST_SUITE_P(Kinds, AttachChains, ::testing::Range(0, 3), [](const auto& test) { return std::string(kKinds[test.param]); });

// A schedule that asks for what cannot be is refused, and says so.
TEST(Attach, RefusesWhatDoesNotFit) {
  GraphMaker g;
  ValueId rows = g.node(Op::softmax, {g.input("x", {"2", "16", "12"})}, Attrs().set<Attr::axis>(2));
  g.output(g.node(Op::dot, {rows, g.constant({12, 9})}));
  const Chain c{.g = g, .symbols = {}, .bound = sum_bound(12)};
  EXPECT_EQ(differs(c, {}), "");
  for (auto [knob, value] : {std::pair{Knob::attach, 3}, {Knob::attach, 9}, {Knob::attach_block, -1}}) {
    int chains = 0;
    auto edit = [&, k = knob, x = value](Plan& plan) {
      for (RegionPlan& region : plan.regions) {
        if (!joined(region)) continue;
        ++chains;
        region.schedule.variants[0].knobs.set(k, x);
      }
    };
    EXPECT_NE(differs(c, edit).find("E0403"), std::string::npos) << static_cast<int>(knob) << "=" << value;
    EXPECT_EQ(chains, 1);
  }
}

}  // namespace
}  // namespace tenon::testing
