// Convolutions computed under the loops of the depthwise convolution that reads them: blocks of channels outermost, and rows of
// both together. Any block, tile and window gives what the graph does, and the same bits as kernels in turn.
#include <gtest/gtest.h>

#include <algorithm>

#include "../ops/rig.h"
#include "cases.h"
#include "tenon/plan.h"
#include "tenon/policy.h"

namespace tenon::testing {
namespace {

using Symbols = std::unordered_map<std::string, int64_t>;

struct Block {
  GraphMaker g{"block"};
  Symbols symbols = {};
  ValueId between;  // what the depthwise convolution reads
  std::vector<Halo> halos = {};
  double bound = 0;  // of |result - reference|
};

class Maker : public Dice {
 public:
  using Dice::Dice;

  Block block() {
    Block b;
    GraphMaker& g = b.g;
    const int64_t in = size(1, 4), channels = size(2, 40), taps = size(1, 5) == 1 ? 3 : 1, kernel = size(2, 5), dilation = size(1, 4) == 1 ? 2 : 1;
    const int64_t stride = size(1, 3), reach = (kernel - 1) * dilation, top = size(0, reach), left = size(0, reach), bottom = size(0, reach), right = std::max<int64_t>(left == 0, size(0, reach));
    // Three rows and columns of results or more.
    const int64_t height = std::max<int64_t>(6, reach + 1 + 2 * stride) + size(0, 6), width = std::max<int64_t>(6, reach + 1 + 2 * stride) + size(0, 9);
    const std::string images = std::to_string(size(1, 2)), h = std::to_string(height), w = std::to_string(width), c = std::to_string(in);
    const bool symbolic = size(0, 1) == 1;
    if (symbolic) b.symbols["N"] = size(0, 3);
    ValueId x = g.node(Op::neg, {g.input("x", {symbolic ? "N" : images.c_str(), c.c_str(), h.c_str(), w.c_str()})});
    if (taps == 1) x = g.node(Op::conv, {x, g.constant({in, in, 1, 1})}, g.conv({1, 1}, {0, 0}));
    x = g.node(Op::conv, {x, g.constant({channels, in, taps, taps})}, g.conv({1, 1}, {taps / 2, taps / 2}));
    x = g.node(Op::tanh, {g.node(Op::add, {x, g.constant({channels, 1, 1})})});
    b.between = x;
    Attrs attrs = g.conv({stride, size(1, 3)}, {top, left}, channels, {dilation, dilation});
    attrs.set<Attr::pads_end>({g.graph.pool.index(bottom), g.graph.pool.index(right)});
    x = g.node(Op::conv, {x, g.constant({channels, 1, kernel, kernel})}, attrs);
    x = g.node(Op::abs, {g.node(Op::add, {x, g.constant({channels, 1, 1})})});
    // Read with channels last, and twice: a region of its own.
    auto project = [&] { return g.node(Op::conv, {x, g.constant({3, channels, 1, 1})}, g.conv({1, 1}, {0, 0})); };
    const ValueId one = project(), other = project();
    g.output(g.node(Op::add, {one, other}));
    if (top + bottom > 0) b.halos.push_back({.dim = 2, .before = top, .after = bottom});
    b.halos.push_back({.dim = 3, .before = left, .after = right});
    // Sums of K products of factors up to M in magnitude differ from float64 by at most K*K*M*u, as in lowering_test.cpp;
    // the last one adds up the errors of those before.
    const auto window = static_cast<double>(kernel * kernel), last = static_cast<double>(channels), first = static_cast<double>(in * in * taps * taps);
    b.bound = 4 * last * (window * (first * first + 16) + window * window + last * window) * 0x1p-24;
    return b;
  }
};

const RegionPlan* region_with(const Plan& plan, const Graph& graph, auto&& test) {
  for (const RegionPlan& r : plan.regions)
    if (std::ranges::any_of(r.nodes, [&](int n) { return test(graph.nodes[static_cast<size_t>(n)]); })) return &r;
  return nullptr;
}

// The two regions as one, as rules would for large images.
Variant* join(Plan& plan, const Block& b) {
  const Graph& graph = b.g.graph;
  auto reads = [&](const Node& n) { return !n.inputs.empty() && n.inputs[0] == b.between; };
  auto makes = [&](const Node& n) { return n.outputs[0] == b.between; };
  auto* reader = const_cast<RegionPlan*>(region_with(plan, graph, reads));
  const auto* producer = region_with(plan, graph, makes);
  if (!reader || !producer || reader == producer) return nullptr;
  reader->nodes.insert(reader->nodes.end(), producer->nodes.begin(), producer->nodes.end());
  std::ranges::sort(reader->nodes);
  for (auto [v, placement] : producer->placed) reader->placed.emplace_back(v, placement == Placement::Root ? Placement::Attached : placement);
  plan.regions.erase(plan.regions.begin() + (producer - plan.regions.data()));
  for (auto& [v, layout] : plan.layouts)
    if (v == b.between) layout.halos = b.halos;
  return &const_cast<RegionPlan*>(region_with(plan, graph, reads))->schedule.variants.back();
}

// Sums in one part whatever the tile, so that bits can be compared.
void in_one_part(Plan& plan) {
  constexpr int64_t kMost = 64;
  for (RegionPlan& region : plan.regions)
    for (Variant& variant : region.schedule.variants) {
      variant.knobs.set(Knob::k_block, kMost);
      for (auto& [value, knobs] : variant.producers) knobs.set(Knob::k_block, kMost);
    }
}

struct Outcome {
  Result<std::vector<Tensor>> expected, apart, joined;
};

Outcome run(const Block& b, const std::function<void(Plan&)>& edit) {
  std::vector<Tensor> inputs;
  const Graph& graph = b.g.graph;
  ExprPool::Bindings bindings;
  for (const auto& [name, value] : b.symbols) bindings[graph.pool.symbol_named(name)] = value;
  std::vector<int64_t> dims;
  for (Expr d : graph.values[graph.inputs[0]].dims) dims.push_back(*graph.pool.evaluate(d, bindings));
  inputs.push_back(GraphMaker::random(DType::F32, dims, 1));
  return {evaluate(graph, inputs, {.dims = b.symbols}), run_lowered(graph, inputs, b.symbols, in_one_part), run_lowered(graph, inputs, b.symbols, edit)};
}

// Whether the joined regions ran; refused, as E0403 says, they may be where `may_refuse`.
bool ran(const Outcome& got, bool may_refuse) {
  for (const auto* each : {&got.expected, &got.apart, &got.joined}) {
    if (each->has_value()) continue;
    if (each == &got.joined && may_refuse) EXPECT_EQ((*each).error()[0].code, Code::E0403) << (*each).error()[0].message;
    else ADD_FAILURE() << (*each).error()[0].message;
    return false;
  }
  return true;
}

// The graph's results within `bound`, and those of kernels in turn to the bit. Results that are no finite numbers are left out
// where there may be some.
void expect_alike(const Outcome& got, double bound, bool same_bits, bool all_finite) {
  const std::vector<double> &expected = (*got.expected)[0].f, &apart = (*got.apart)[0].f, &joined = (*got.joined)[0].f;
  ASSERT_EQ(joined.size(), expected.size());
  for (size_t k = 0; k < joined.size(); ++k) {
    if (!all_finite && !std::isfinite(expected[k])) continue;
    ASSERT_LE(std::abs(joined[k] - expected[k]), bound) << "element " << k;
    if (same_bits) { ASSERT_EQ(joined[k], apart[k]) << "element " << k; }
  }
}

TEST(Slide, AnyBlockTileAndWindow) {
  int slid = 0;
  for (unsigned seed = 0; seed < 60; ++seed) {
    Maker maker(seed);
    const Block b = maker.block();
    std::string text;
    int64_t slides = 0;
    bool has_lone = false;  // a block of one channel
    auto edit = [&](Plan& plan) {
      Variant* variant = join(plan, b);
      ASSERT_NE(variant, nullptr);
      slides = maker.size(0, 3) > 0;
      Knobs knobs;
      knobs.set(Knob::attach, slides ? 2 : maker.size(1, 2));  // a window slides inside of one image
      knobs.set(Knob::attach_inner, 1);
      const int64_t asked = maker.size(0, 20), block = std::max<int64_t>(1, asked), channels = *b.g.graph.pool.as_int(b.g.graph.values[b.between].dims[1]);
      has_lone = block == 1 || channels % block == 1;
      knobs.set(Knob::attach_block, asked);
      knobs.set(Knob::attach_slide, slides);
      knobs.set(Knob::order, 1);
      knobs.set(Knob::rows, maker.size(1, 3));  // of one line
      knobs.set(Knob::vectors, maker.size(1, 3));
      knobs.set(Knob::parallel, maker.size(0, 2));
      variant->knobs = knobs;
      Knobs own;
      own.set(Knob::order, 1);
      own.set(Knob::rows, maker.size(1, 4));
      own.set(Knob::vectors, maker.size(1, 3));
      variant->producers = {{b.between, own}};
      in_one_part(plan);
      text = print(plan, b.g.graph);
    };
    const Outcome got = run(b, edit);
    SCOPED_TRACE("seed " + std::to_string(seed) + "\n" + print(b.g.graph) + text);
    // Axes of few elements may merge, so that no loop is left that goes through rows: then it says so.
    if (!ran(got, slides > 0)) continue;
    slid += static_cast<int>(slides);
#ifdef TENON_NATIVE_CODE
    const bool same_bits = !has_lone;  // whose taps it sums across lanes
#else
    const bool same_bits = true;
#endif
    expect_alike(got, b.bound, same_bits, true);
    if (::testing::Test::HasFatalFailure()) return;
  }
  EXPECT_GT(slid, 30);
}

// What is asked for and cannot be is refused, and said.
TEST(Slide, RefusesWhatDoesNotFit) {
  Maker maker(3);
  const Block b = maker.block();
  const std::pair<Knob, int64_t> wrong[] = {{Knob::rows, 64}, {Knob::row_block, 8}, {Knob::attach, 5}};
  for (auto [knob, value] : wrong) {
    auto edit = [&, k = knob, x = value](Plan& plan) {
      Variant* variant = join(plan, b);
      ASSERT_NE(variant, nullptr);
      variant->knobs = {};
      for (Knob one : {Knob::attach, Knob::attach_inner, Knob::attach_slide, Knob::order}) variant->knobs.set(one, 1);
      variant->knobs.set(Knob::rows, 2);
      variant->knobs.set(k, x);
      variant->producers = {{b.between, variant->knobs}};
    };
    const Outcome got = run(b, edit);
    ASSERT_FALSE(got.joined.has_value()) << static_cast<int>(knob);
    EXPECT_EQ(got.joined.error()[0].code, Code::E0403);
  }
  // A region without a producer.
  const Outcome alone = run(b, [&](Plan& plan) {
    for (RegionPlan& region : plan.regions)
      for (Knob one : {Knob::attach, Knob::attach_slide}) region.schedule.variants.back().knobs.set(one, 1);
  });
  ASSERT_FALSE(alone.joined.has_value());
  EXPECT_EQ(alone.joined.error()[0].code, Code::E0403);
}

// Pooling windows read convolutions row by row, in parts that compute what they share again.
Block pooled(unsigned seed) {
  Maker maker(seed);
  Block b;
  GraphMaker& g = b.g;
  const int64_t channels = maker.size(1, 40), kernel = maker.size(1, 4), dilation = maker.size(1, 4) == 1 ? 2 : 1, reach = (kernel - 1) * dilation;
  const int64_t stride = maker.size(1, 3), taps = maker.size(1, 3), top = maker.size(0, reach), left = maker.size(0, reach), bottom = maker.size(0, reach), right = maker.size(0, reach);
  const int64_t height = reach + 1 + maker.size(2, 5) * stride + maker.size(0, 2), width = reach + 1 + maker.size(2, 5) * stride + maker.size(0, 9);
  const bool symbolic = maker.size(0, 1) == 1;
  if (symbolic) b.symbols["N"] = maker.size(0, 3);
  const std::string h = std::to_string(height), w = std::to_string(width);
  ValueId x = g.node(Op::neg, {g.input("x", {symbolic ? "N" : "1", "3", h.c_str(), w.c_str()})});
  Attrs conv = g.conv({1, 1}, {taps / 2, taps / 2});
  conv.set<Attr::pads_end>({g.graph.pool.index((taps - 1) / 2), g.graph.pool.index((taps - 1) / 2)});
  x = g.node(Op::conv, {x, g.constant({channels, 3, taps, taps})}, conv);
  b.between = g.node(Op::neg, {g.node(Op::add, {x, g.constant({channels, 1, 1})})});
  Attrs window = g.conv({stride, maker.size(1, 3)}, {top, left}, 1, {dilation, dilation});
  window.set<Attr::pads_end>({g.graph.pool.index(bottom), g.graph.pool.index(right)});
  window.set<Attr::kernel>({kernel, kernel});
  window.erase(Attr::groups);
  x = g.node(Op::abs, {g.node(maker.size(0, 2) ? Op::window_max : Op::window_sum, {b.between}, window)});
  auto project = [&] { return g.node(Op::conv, {x, g.constant({3, channels, 1, 1})}, g.conv({1, 1}, {0, 0})); };
  const ValueId one = project(), other = project();
  g.output(g.node(Op::add, {one, other}));
  if (top + bottom > 0) b.halos.push_back({.dim = 2, .before = top, .after = bottom});
  if (left + right > 0) b.halos.push_back({.dim = 3, .before = left, .after = right});
  b.bound = 1e-3;
  return b;
}

TEST(Slide, PoolingWindowsInParts) {
  int slid = 0;
  for (unsigned seed = 0; seed < 80; ++seed) {
    const Block b = pooled(seed);
    Maker maker(seed);
    std::string text;
    auto edit = [&](Plan& plan) {
      Variant* variant = join(plan, b);
      ASSERT_NE(variant, nullptr);
      Knobs knobs;
      for (Knob one : {Knob::attach, Knob::attach_block, Knob::attach_slide, Knob::order}) knobs.set(one, 1);
      knobs.set(Knob::attach_rows, maker.size(0, 4));
      knobs.set(Knob::rows, maker.size(1, 3));
      knobs.set(Knob::vectors, maker.size(1, 3));
      variant->knobs = knobs;
      knobs = {};
      knobs.set(Knob::order, 1);
      knobs.set(Knob::rows, maker.size(1, 3));
      knobs.set(Knob::vectors, maker.size(1, 3));
      variant->producers = {{b.between, knobs}};
      in_one_part(plan);
      text = print(plan, b.g.graph);
    };
    const Outcome got = run(b, edit);
    SCOPED_TRACE("seed " + std::to_string(seed) + "\n" + print(b.g.graph) + text);
    if (!ran(got, true)) continue;
    ++slid;
    expect_alike(got, b.bound, true, false);  // a window that lies in padding is -inf
    if (::testing::Test::HasFatalFailure()) return;
  }
  EXPECT_GT(slid, 40);
}

struct Network {
  GraphMaker g{"network"};
  ValueId between;
};

Network network(const char* extent, bool read_twice) {
  Network n;
  GraphMaker& g = n.g;
  ValueId x = g.node(Op::conv, {g.input("x", {"1", "4", extent, extent}), g.constant({4, 4, 1, 1})}, g.conv({1, 1}, {0, 0}));
  n.between = g.node(Op::abs, {g.node(Op::conv, {x, g.constant({40, 4, 1, 1})}, g.conv({1, 1}, {0, 0}))});
  ValueId y = g.node(Op::conv, {n.between, g.constant({40, 1, 3, 3})}, g.conv({1, 1}, {1, 1}, 40));
  if (read_twice) y = g.node(Op::add, {y, n.between});
  g.output(g.node(Op::conv, {y, g.constant({3, 40, 1, 1})}, g.conv({1, 1}, {0, 0})));
  return n;
}

// Rules slide where what lies between is larger than what stays in the cache, and nothing else reads it.
TEST(Slide, RulesChooseItForLargeImages) {
  Target target;
  target.vector_bytes = 32;
  target.vector_registers = 16;
  target.l2_bytes = 1 << 18;
  struct Case {
    const char* extent;
    bool read_twice, slides;
  };
  for (const Case& c : {Case{"32", false, true}, Case{"32", true, false}, Case{"20", false, false}, Case{"S", false, false}}) {
    const Network n = network(c.extent, c.read_twice);
    const auto plan = rules_policy(n.g.graph, target);
    ASSERT_TRUE(plan.has_value()) << plan.error()[0].message;
    const int64_t found = std::ranges::count_if(plan->regions, [](const RegionPlan& r) { return r.schedule.variants.back().knobs[Knob::attach_slide] == 1; });
    EXPECT_EQ(found, c.slides) << c.extent << c.read_twice;
    for (const RegionPlan& r : plan->regions)
      for (auto [v, placement] : r.placed)
        if (v == n.between) {
          EXPECT_EQ(placement, c.slides ? Placement::Attached : Placement::Root);
        }
  }
}

// They pool while the rows of a convolution are in the cache, unless its weights do not stay beside them.
TEST(Slide, RulesPoolBesideTheConvolution) {
  Target target;
  target.vector_bytes = 32;
  target.vector_registers = 16;
  target.l2_bytes = 1 << 18;
  target.l2_gb_per_s = 100;
  target.l3_gb_per_s = 10;
  target.gflops_f32 = 100;
  // Of a value that one image does not leave in the cache, with few or many weights; of one that stays; read twice.
  auto rows = [&](const char* extent, int64_t channels, int64_t taps, bool read_twice) -> int64_t {
    GraphMaker g{"network"};
    ValueId x = g.node(Op::neg, {g.input("x", {"1", "3", extent, extent})});
    x = g.node(Op::conv, {x, g.constant({channels, 3, taps, taps})}, g.conv({1, 1}, {taps / 2, taps / 2}));
    const ValueId between = g.node(Op::abs, {x});
    Attrs window = g.conv({2, 2}, {1, 1});
    window.erase(Attr::groups);
    window.set<Attr::kernel>({3, 3});
    ValueId y = g.node(Op::window_max, {between}, window);
    g.output(g.node(Op::conv, {y, g.constant({3, channels, 1, 1})}, g.conv({1, 1}, {0, 0})));
    if (read_twice) g.output(g.node(Op::conv, {between, g.constant({3, channels, 1, 1})}, g.conv({1, 1}, {0, 0})));
    const auto plan = rules_policy(g.graph, target);
    EXPECT_TRUE(plan.has_value());
    for (const RegionPlan& r : plan->regions)
      if (const Knobs& knobs = r.schedule.variants.back().knobs; knobs[Knob::attach_slide] == 1) return knobs[Knob::attach_rows];
    return 0;
  };
  EXPECT_GT(rows("64", 32, 3, false), 1);
  EXPECT_EQ(rows("64", 32, 3, true), 0);
  EXPECT_EQ(rows("16", 32, 3, false), 0);
  EXPECT_EQ(rows("64", 32, 31, false), 0);
}

}  // namespace
}  // namespace tenon::testing
