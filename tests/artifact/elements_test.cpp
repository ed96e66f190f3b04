// Shapes that depend on an element of an input: symbols that the caller gives and the artifact compares.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "../../src/driver/inputs.h"
#include "../../src/driver/package.h"
#include "tenon/ops.h"
#include "tenon/policy.h"
#include "tenon/runtime.h"

namespace tenon {
namespace {

// x repeated n times, where n is given in an input; and n times a half, packed.
constexpr const char* kRepeat = R"(
graph repeat {
  symbol n in -2147483648..2147483648
  input %x: f32[3]
  input %count: i64[]
  output %y
  output %q
  element n = 1[0]
  assume n == min(2147483647, max(0, n))
  %y: f32[n,3] = broadcast(%x) {dims=[n, 3]}
  %q: i4[n,3] = cast(%y) {to=i4}
}
)";

std::unique_ptr<Artifact> built(const Graph& graph) {
  const std::string folder = (std::filesystem::path(::testing::TempDir()) / ("tenon_elements_" + std::to_string(getpid()))).string();
  std::filesystem::remove_all(folder);
  auto target = load_target("native");
  auto plan = rules_policy(graph, *target);
  EXPECT_TRUE(plan);
  auto module = build_module(graph, *plan, *target, {});
  EXPECT_TRUE(module);
  auto code = generate_code(*module, *target,
                            {.runtime_bitcode = runtime_bitcode(RuntimePart::Model, target->triple.substr(0, target->triple.find('-')))});
  EXPECT_TRUE(code) << code.error()[0].message;
  const CompileOptions options{.output = folder, .emit = {Emit::SharedLibrary}};
  auto summary = package({.levels = {{.graph = graph, .plan = *plan, .module = *module, .target = *target, .code = *code, .loops_blake3 = {}}}, .options = options}, folder);
  EXPECT_TRUE(summary) << summary.error()[0].message;
  auto artifact = open_artifact(folder);
  EXPECT_TRUE(artifact);
  return std::move(*artifact);
}

std::vector<Tensor> inputs_for(int64_t count) {
  Tensor x = Tensor::zeros(DType::F32, {3}), n = Tensor::zeros(DType::I64, {});
  x.f = {1, -2.5, 6};
  n.i = {count};
  return {x, n};
}

TEST(Elements, GiveShapes) {
  auto graph = parse_graph(kRepeat);
  ASSERT_TRUE(graph) << graph.error()[0].message;
  EXPECT_EQ(print(*parse_graph(print(*graph))), print(*graph));
  auto artifact = built(*graph);
  ASSERT_EQ(artifact->signature().symbols.size(), 1u);
  EXPECT_EQ(artifact->signature().symbols[0].input, 1);
  EXPECT_EQ(artifact->signature().symbols[0].element, 0);
  for (int64_t count : {0, 1, 5}) {
    auto inputs = inputs_for(count);
    auto got = artifact->run(inputs, {{"n", count}}, 1);
    ASSERT_TRUE(got) << got.error()[0].message;
    auto want = evaluate(*graph, inputs, {});
    ASSERT_TRUE(want) << want.error()[0].message;
    for (size_t k = 0; k < 2; ++k) {
      EXPECT_EQ((*got)[k].dims, (std::vector<int64_t>{count, 3}));
      EXPECT_EQ((*got)[k].f, (*want)[k].f);
      EXPECT_EQ((*got)[k].i, (*want)[k].i);
    }
  }
}

TEST(Elements, MustBeWhatTheCallerSays) {
  auto graph = parse_graph(kRepeat);
  ASSERT_TRUE(graph);
  auto artifact = built(*graph);
  auto refused = artifact->run(inputs_for(4), {{"n", 3}}, 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error()[0].code, Code::E0503);
  EXPECT_FALSE(artifact->run(inputs_for(-1), {{"n", -1}}, 1));  // no extent
  EXPECT_FALSE(evaluate(*graph, inputs_for(-1), {}));
}

}  // namespace
}  // namespace tenon
