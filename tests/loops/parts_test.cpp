// Values that lie in others' memory: nets of concatenations and slices give what the graph does, whichever of the parts that
// are legal lie there, and a plan that asks for another is refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "../ops/rig.h"
#include "cases.h"
#include "tenon/plan.h"
#include "tenon/policy.h"

namespace tenon::testing {
namespace {

// Integers in f32, whose sums stay below 2^24: every result is exact.
class Net {
 public:
  explicit Net(unsigned seed) : rng_(seed) {
    symbolic_ = below(2) == 1;
    batch_ = 1 + below(2);
    height_ = 3 + below(4);
    width_ = 3 + below(4);
    for (int i = 0; i < 2; ++i) add_input(1 + below(20));
    for (int i = 0; i < 14; ++i) step();
    // Nothing is dead, and what is left last is read once more.
    for (size_t v = 0; v < values_.size(); ++v)
      if (!read_[v]) g.output(below(2) ? values_[v].id : g.node(Op::neg, {values_[v].id}));
  }

  GraphMaker g{"net"};
  std::vector<Tensor> inputs;
  std::unordered_map<std::string, int64_t> symbols;

  int64_t below(int64_t n) { return std::uniform_int_distribution<int64_t>(0, n - 1)(rng_); }

 private:
  struct Made {
    ValueId id;
    int64_t channels;
    double most;  // |element|
  };

  void add_input(int64_t channels) {
    if (symbolic_) symbols["N"] = batch_;
    const std::string n = symbolic_ ? "N" : std::to_string(batch_), c = std::to_string(channels), h = std::to_string(height_), w = std::to_string(width_);
    const ValueId x = g.input(("x" + std::to_string(inputs.size())).c_str(), {n.c_str(), c.c_str(), h.c_str(), w.c_str()});
    inputs.push_back(integers({batch_, channels, height_, width_}, 4));
    keep({x, channels, 4});
  }

  Tensor integers(std::vector<int64_t> dims, int64_t most) {
    Tensor t = Tensor::zeros(DType::F32, std::move(dims));
    for (double& x : t.f) x = static_cast<double>(below(2 * most + 1) - most);
    return t;
  }

  void keep(Made made) {
    values_.push_back(made);
    read_.push_back(false);
  }

  Made pick() {
    // Recent ones more often: concatenations of concatenations.
    const size_t at = below(2) ? values_.size() - 1 - static_cast<size_t>(below(std::min<int64_t>(4, static_cast<int64_t>(values_.size())))) : static_cast<size_t>(below(static_cast<int64_t>(values_.size())));
    read_[at] = true;
    return values_[at];
  }

  void step() {
    switch (below(5)) {
      case 0: return convolve(pick());
      case 1: {
        const Made x = pick();
        return keep({g.node(below(2) ? Op::neg : Op::abs, {x.id}), x.channels, x.most});
      }
      case 2: {
        const Made x = pick();
        const int64_t begin = below(x.channels), count = 1 + below(x.channels - begin);
        return slice(x, begin, count);
      }
      default: {
        Made all = pick();
        std::vector<ValueId> operands = {all.id};
        for (int64_t more = 1 + below(3); more > 0 && all.channels < 100; --more) {
          const Made x = pick();
          operands.push_back(x.id);
          all.channels += x.channels;
          all.most = std::max(all.most, x.most);
        }
        return keep({g.node(Op::concat, operands, Attrs().set<Attr::axis>(1)), all.channels, all.most});
      }
    }
  }

  void slice(const Made& x, int64_t begin, int64_t count) {
    std::vector<Expr> dims = g.graph.values[x.id].dims, starts(4, g.graph.pool.index(0));
    dims[1] = g.graph.pool.index(count);
    starts[1] = g.graph.pool.index(begin);
    keep({g.node(Op::slice, {x.id}, Attrs().set<Attr::starts>(starts).set<Attr::steps>(std::vector<int64_t>(4, 1)).set<Attr::dims>(dims)), count, x.most});
  }

  void convolve(const Made& x) {
    const int64_t kernel = below(2) ? 3 : 1, filters = 1 + below(20);
    const double most = x.most * static_cast<double>(x.channels * kernel * kernel);
    if (most >= 0x1p24) return;
    const Tensor w = integers({filters, x.channels, kernel, kernel}, 1);
    const ValueId weights = g.graph.add_constant("w" + std::to_string(g.graph.constants.size()), {.type = w.type, .dims = w.dims, .bytes = Bytes::copy_of(encode(w))});
    keep({g.node(Op::conv, {x.id, weights}, g.conv({1, 1}, {kernel / 2, kernel / 2})), filters, most});
  }

  std::mt19937 rng_;
  bool symbolic_ = false;
  int64_t batch_ = 1, height_ = 3, width_ = 3;
  std::vector<Made> values_;
  std::vector<bool> read_;
};

// Of all parts that the plan could have, each with a chance of three in four, as far as they go together.
void choose_any(Plan& plan, Net& net) {
  const Graph& graph = net.g.graph;
  plan.parts.clear();
  std::vector<Part> candidates;
  for (const Node& n : graph.nodes) {
    if (n.op == Op::slice)
      if (auto part = part_of(graph, n.outputs[0], n.inputs[0])) candidates.push_back(*part);
    if (n.op == Op::concat)
      for (ValueId v : n.inputs)
        if (auto part = part_of(graph, v, n.outputs[0])) candidates.push_back(*part);
  }
  while (!candidates.empty()) {
    const auto at = candidates.begin() + net.below(static_cast<int64_t>(candidates.size()));
    const Part part = *at;
    candidates.erase(at);
    if (net.below(4) == 0) continue;
    Plan more = plan;
    more.parts.push_back(part);
    std::erase_if(more.layouts, [&](const auto& row) { return row.first == part.value; });
    if (verify_plan(graph, more)) plan = std::move(more);
  }
}

std::string differs(const Net& net, const std::function<void(Plan&)>& edit) {
  auto expected = evaluate(net.g.graph, net.inputs, {.dims = net.symbols});
  if (!expected) return expected.error()[0].message;
  auto got = run_lowered(net.g.graph, net.inputs, net.symbols, edit);
  if (!got) return std::string(code_name(got.error()[0].code)) + ": " + got.error()[0].message;
  for (size_t o = 0; o < expected->size(); ++o)
    for (size_t k = 0; k < (*expected)[o].f.size(); ++k)
      if (const double e = (*expected)[o].f[k], a = (*got)[o].f[k]; e != a)
        return "output " + std::to_string(o) + ", element " + std::to_string(k) + ": " + std::to_string(a) + " for " + std::to_string(e);
  return {};
}

TEST(Parts, AnyThatAreLegal) {
  size_t parts = 0;
  for (unsigned seed = 0; seed < 36; ++seed) {
    Net net(seed);
    std::string text;
    auto edit = [&](Plan& plan) {
      if (seed % 3 > 0) choose_any(plan, net);  // else what the rules choose
      parts += plan.parts.size();
      text = print(plan, net.g.graph);
      const Result<Plan> again = parse_plan(text, net.g.graph);
      ASSERT_TRUE(again);
      EXPECT_EQ(print(*again, net.g.graph), text);
      EXPECT_TRUE(verify_plan(net.g.graph, plan)) << text;
    };
    EXPECT_EQ(differs(net, edit), "") << "seed " << seed << "\n" << print(net.g.graph) << text;
  }
  EXPECT_GT(parts, 70u);
}

// A concatenation with an operand of no elements only moves the other one. What the empty one is taken from is no matter.
TEST(Parts, ConcatenationWithNothingIsAView) {
  const auto graph = parse_graph(R"(graph g {
    input %x: f32[3,4]
    output %y
    %a: f32[3,4] = exp(%x)
    %e: f32[3,0] = slice(%a) {starts=[0, 4], steps=[1, 1], dims=[3, 0]}
    %b: f32[4,3] = transpose(%a) {perm=[1, 0]}
    %s: f32[4,3] = cumulate(%b) {axis=0, mode="sum"}
    %r: f32[3,4] = reshape(%s) {dims=[3, 4]}
    %c: f32[3,4] = concat(%r, %e) {axis=1}
    %y: f32[3,4] = cumulate(%c) {axis=0, mode="sum"}
  })");
  ASSERT_TRUE(graph) << graph.error()[0].message;
  const auto plan = rules_policy(*graph, *load_target("x86-64-v3"));
  ASSERT_TRUE(plan);
  EXPECT_NE(print(*plan, *graph).find("view %c of "), std::string::npos) << print(*plan, *graph);
  const auto fits = verify_plan(*graph, *plan);
  EXPECT_TRUE(fits) << fits.error()[0].message << print(*plan, *graph);
}

// The same with margins around whatever can have them: a part's margins are its share of the whole's.
TEST(Parts, WithMargins) {
  size_t margins = 0;
  for (unsigned seed = 100; seed < 118; ++seed) {
    Net net(seed);
    std::string text;
    auto edit = [&](Plan& plan) {
      choose_any(plan, net);
      for (auto& [value, layout] : plan.layouts) {
        const Layout before = layout;
        layout.halos = {{.dim = 2, .before = 1, .after = net.below(2)}, {.dim = 3, .before = net.below(2), .after = 1}};
        if (verify_plan(net.g.graph, plan)) ++margins;
        else layout = before;
      }
      text = print(plan, net.g.graph);
    };
    EXPECT_EQ(differs(net, edit), "") << "seed " << seed << "\n" << print(net.g.graph) << text;
  }
  EXPECT_GT(margins, 36u);
}

// What a schedule file may ask for and may not.
TEST(Parts, RefusesWhatDoesNotFit) {
  const auto graph = parse_graph(R"(graph g {
    input %x: f32[2,6,4]
    output %y
    output %o
    constant %w: f32[2,2,4] = random(1)
    %a: f32[2,6,4] = neg(%x)
    %b: f32[2,6,4] = cumulate(%a) {axis=2, mode="sum"}
    %c: f32[2,14,4] = concat(%b, %w, %b) {axis=1}
    %s: f32[2,4,4] = slice(%c) {starts=[0, 5, 0], steps=[1, 1, 1], dims=[2, 4, 4]}
    %k: f32[2,3,4] = slice(%c) {starts=[0, 0, 0], steps=[1, 2, 1], dims=[2, 3, 4]}
    %t: f32[2,4,4] = cumulate(%s) {axis=2, mode="sum"}
    %u: f32[2,3,4] = cumulate(%k) {axis=2, mode="sum"}
    %o: f32[2,7,4] = concat(%t, %u) {axis=1}
    %y: f32[2,4,4] = neg(%t)
  })");
  ASSERT_TRUE(graph) << graph.error()[0].message;
  std::string regions = "region b { nodes %a, %b place %a inline place %b root otherwise: }\n";
  for (const char* n : {"c", "s", "k", "t", "u", "o", "y"}) regions += std::string("region ") + n + " { nodes %" + n + " place %" + n + " root otherwise: }\n";
  auto said = [&](const std::string& lines) {
    auto plan = parse_plan("target \"\" graph \"\"\n" + lines + regions, *graph);
    if (!plan) return plan.error()[0].message;
    auto fits = verify_plan(*graph, *plan);
    if (fits) return std::string();
    EXPECT_EQ(fits.error()[0].code, Code::E0403);
    return fits.error()[0].message;
  };
  for (const char* legal : {"part %b of %c 1:0", "part %b of %c 1:8", "part %s of %c 1:5", "part %b of %c 1:8 part %s of %c 1:5",
                            "part %t of %o 1:0 part %u of %o 1:4", "layout %c \"1.0.2\" part %s of %c 1:5"})
    EXPECT_EQ(said(legal), "") << legal;
  for (auto [lines, message] : {std::pair{"part %b of %c 1:6", "no slice of it, and no operand of its concatenation, at 1:6"},
                                {"part %b of %c 0:0", "at 0:0"},
                                {"part %k of %c 1:0", "at 1:0"},
                                {"part %s of %b 1:0", "at 1:0"},
                                {"part %b of %c 1:0 part %b of %c 1:8", "it is part of another value"},
                                {"part %w of %c 1:6", "constants lie in the weights"},
                                {"part %a of %x 1:0", "at 1:0"},
                                {"part %y of %c 1:0", "it is an input or output, which has memory of its own"},
                                {"layout %b \"1.0.2\" part %b of %c 1:0", "it has a layout of its own"},
                                {"layout %c \"0.1/2.2.1%2\" part %b of %c 1:0", "dim 1 lies in blocks or has margins"},
                                {"layout %c \"+h1:1,1\" part %b of %c 1:0", "dim 1 lies in blocks or has margins"},
                                {"layout %b \"+w1:0,14\"", "the layout of %b is within another value's"},
                                {"part %z of %c 1:0", "the graph has no value %z"}})
    EXPECT_NE(said(lines).find(message), std::string::npos) << lines << "\n" << said(lines);
}

// A routine knows a buffer as a whole; what is computed in registers lies nowhere.
TEST(Parts, RefusesWhatIsNotInMemory) {
  const auto graph = parse_graph(R"(graph g {
    input %x: f32[2,6]
    output %c
    %a: f32[2,6] = neg(%x)
    %b: f32[2,6] = exp(%a)
    %v: f32[2,3], %i: i64[2,3] = top_k(%b) {axis=1, dims=[3], largest=1}
    %c: f32[2,9] = concat(%b, %v) {axis=1}
  })");
  if (!graph) GTEST_FAIL() << graph.error()[0].message;
  const std::string rest = "region v { nodes %v place %v root place %i root otherwise: }\nregion c { nodes %c place %c root otherwise: }\n";
  const std::string stored = "region b { nodes %a, %b place %a inline place %b root otherwise: }\n" + rest;
  auto said = [&](const std::string& text) {
    auto plan = parse_plan("target \"\" graph \"\"\n" + text, *graph);
    if (!plan) return plan.error()[0].message;
    auto fits = verify_plan(*graph, *plan);
    return fits ? std::string() : fits.error()[0].message;
  };
  EXPECT_EQ(said(stored), "");
  EXPECT_NE(said("part %b of %c 1:0\n" + stored).find("region v calls a routine with it"), std::string::npos) << said("part %b of %c 1:0\n" + stored);
}

}  // namespace
}  // namespace tenon::testing
