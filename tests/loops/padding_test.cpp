// Convolutions that read a padded operand where it lies (Knob::padding): any window, tile and order gives the same bits as a copy
// with zeros around it, and no load is outside of the operand.
#include <gtest/gtest.h>

#include <algorithm>

#include "../ops/rig.h"
#include "cases.h"
#include "tenon/passes.h"
#include "tenon/plan.h"
#include "tenon/policy.h"

namespace tenon::testing {
namespace {

struct Window {
  GraphMaker g{"window"};
  std::unordered_map<std::string, int64_t> symbols = {};
  std::vector<Tensor> inputs = {};
};

class Maker : public Dice {
 public:
  using Dice::Dice;

  Window window() {
    Window w;
    GraphMaker& g = w.g;
    const std::vector<int64_t> kernel = {size(1, 5), size(1, 7)}, dilations = {size(1, 2), size(1, 2)}, strides = {size(1, 3), size(1, 3)};
    std::vector<int64_t> extents, begin, end;
    for (size_t d = 0; d < 2; ++d) {
      const int64_t reach = (kernel[d] - 1) * dilations[d];
      extents.push_back(reach + size(1, 24));
      begin.push_back(size(0, reach + 1));
      end.push_back(size(0, reach + 1));
    }
    const int64_t channels = size(1, 4), images = size(1, 2);
    const bool symbolic = size(0, 3) == 0;
    if (symbolic) w.symbols["H"] = extents[0];
    const std::string n = std::to_string(images), c = std::to_string(channels), h = symbolic ? "H" : std::to_string(extents[0]), x = std::to_string(extents[1]);
    Attrs attrs = g.conv(strides, begin, 1, dilations);
    attrs.set<Attr::pads_end>({g.graph.pool.index(end[0]), g.graph.pool.index(end[1])});
    const ValueId read = g.input("x", {n.c_str(), c.c_str(), h.c_str(), x.c_str()}), made = g.node(Op::conv, {read, g.constant({9, channels, kernel[0], kernel[1]})}, attrs);
    // Read with channels last.
    g.output(g.node(Op::conv, {g.node(Op::abs, {made}), g.constant({3, 9, 1, 1})}, g.conv({1, 1}, {0, 0})));
    w.inputs.push_back(GraphMaker::random(DType::F32, {images, channels, extents[0], extents[1]}, 1));
    return w;
  }
};

TEST(Padding, SameBitsWhereItLies) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    Maker maker(seed);
    const Window w = maker.window();
    Knobs knobs;
    for (auto [knob, lo, hi] : {std::tuple(Knob::rows, 1, 9), {Knob::vectors, 1, 2}, {Knob::order, 0, 1}, {Knob::unroll, 1, 2}, {Knob::parallel, 0, 2}, {Knob::line_ahead, 0, 1}})
      knobs.set(knob, maker.size(lo, hi));
    if (maker.size(0, 3) == 0) knobs.set(Knob::k_block, maker.size(2, 20));
    if (maker.size(0, 5) == 0) knobs.set(Knob::row_block, maker.size(2, 12));
    std::string text;
    auto with = [&](int64_t padding) {
      return [&, padding](Plan& plan) {
        knobs.set(Knob::padding, padding);
        for (RegionPlan& region : plan.regions) region.schedule.variants.back().knobs = knobs;
        text = print(plan, w.g.graph);
      };
    };
    const auto copied = run_lowered(w.g.graph, w.inputs, w.symbols, with(0)), in_place = run_lowered(w.g.graph, w.inputs, w.symbols, with(1));
    SCOPED_TRACE("seed " + std::to_string(seed) + "\n" + print(w.g.graph) + text);
    ASSERT_TRUE(copied.has_value()) << copied.error()[0].message;
    ASSERT_TRUE(in_place.has_value()) << in_place.error()[0].message;
    ASSERT_EQ((*copied)[0].f, (*in_place)[0].f);
  }
}

// A knob of each convolution of a network of two.
std::vector<int64_t> chosen(int64_t channels, int64_t results, int64_t extent, const std::vector<int64_t>& kernel, const std::vector<int64_t>& strides,
                            double caches_gb_per_s = 30, Knob knob = Knob::padding) {
  Target target;
  target.vector_bytes = 32;
  target.vector_registers = 16;
  target.l2_bytes = 1 << 20;
  target.gflops_f32 = 100;
  target.dram_gb_per_s = 30;
  target.l2_gb_per_s = target.l3_gb_per_s = caches_gb_per_s;
  GraphMaker g;
  const std::string c = std::to_string(channels), x = std::to_string(extent);
  const ValueId y = g.node(Op::conv, {g.input("x", {"1", c.c_str(), x.c_str(), x.c_str()}), g.constant({results, channels, kernel[0], kernel[1]})}, g.conv(strides, {kernel[0] / 2, kernel[1] / 2}));
  g.output(g.node(Op::conv, {g.node(Op::abs, {y}), g.constant({3, results, 1, 1})}, g.conv({1, 1}, {0, 0})));
  const auto plan = rules_policy(g.graph, target);
  std::vector<int64_t> found;
  for (const RegionPlan& region : plan->regions)
    if (region.schedule.variants.back().knobs[Knob::rows] > 0) found.push_back(region.schedule.variants.back().knobs[knob]);
  return found;
}

TEST(Padding, RulesReadImagesWhereTheyLie) {
  EXPECT_EQ(chosen(3, 32, 224, {3, 3}, {2, 2})[0], 1);
  EXPECT_EQ(chosen(1, 8, 240, {3, 3}, {1, 1})[0], 1);
  EXPECT_EQ(chosen(3, 64, 224, {7, 7}, {2, 2})[0], 0);   // many taps in padding
  EXPECT_EQ(chosen(64, 512, 14, {3, 3}, {1, 1})[0], 0);  // the same for each block of results
  EXPECT_EQ(chosen(3, 32, 3, {3, 3}, {1, 1})[0], 0);     // lines shorter than a tile
  EXPECT_EQ(chosen(3, 32, 224, {1, 1}, {2, 2})[0], 0);   // no padding
  EXPECT_EQ(chosen(3, 32, 224, {3, 3}, {2, 2}, 1e4)[0], 1);  // however fast caches are, the image is not in them
}

TEST(Padding, RulesAskForTheNextLineOfAnImage) {
  auto asks = [](int64_t extent, const std::vector<int64_t>& kernel) { return chosen(3, 32, extent, kernel, {2, 2}, 30, Knob::line_ahead); };
  EXPECT_EQ(asks(224, {3, 3}), (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(asks(224, {1, 1}), (std::vector<int64_t>{0, 0}));  // no windows
  EXPECT_EQ(asks(3, {3, 3}), (std::vector<int64_t>{0, 0}));    // of a copy
}

}  // namespace
}  // namespace tenon::testing
