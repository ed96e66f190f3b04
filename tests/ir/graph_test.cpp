// Graphs: text and rules.
#include "tenon/graph.h"

#include <gtest/gtest.h>

namespace tenon {
namespace {

constexpr std::string_view kGraph = R"(graph "two-layer net" {
  symbol S in 1..512
  symbol "past len"
  input %ids: i64[S]
  input %"x:0": f32["past len" + S,8]
  output %y
  output %top
  assume 2*"past len" == S
  constant %w: f32[8,4] = hash("d2a84f4b8b650937ec8f73cd8be2c74add5a911ba64df27458ed8229da804a26")
  constant %b: f32[4] = [0, -0.5, 0.1, inf]
  constant %one: f16[16,16] = splat(1)
  constant %names: str[2] = ["a \"b\"", ""]
  constant %mask: bool[2] = [true, false]
  constant %scale: f32[] = [0.05]
  constant %shape: i64[2] = [-1, 4]
  %/fc/MatMul_output_0: f32["past len" + S,4] = dot(%"x:0", %w)  // onnx 3 "/fc/MatMul" MatMul 13
  %y: f32["past len" + S,4] layout("0.1/4.1%4") = add(%/fc/MatMul_output_0, %b)
  %n: i64[1] content(4*S) = reduce_sum(%ids) {axes=[0], keep_dims=1}
  %q: i8["past len" + S,4] quant(%scale, _, axis=1) = quantize(%y, %scale, _)
  %s: f32[S,2] = slice(%y) {dims=[S, 2], starts=[0, 1], steps=[1, 1]}
  %top: f32[S,1], _ = top_k(%s, %n) {axis=1, largest=1, mode="a\nb", to=f32, epsilon=1e-05}
  %used: f32[2] = concat(%names, %mask, %one, %shape)
}
)";

TEST(Graph, PrintsWhatItReads) {
  auto graph = parse_graph(kGraph);
  ASSERT_TRUE(graph) << graph.error()[0].message;
  std::string text = print(*graph);
  auto again = parse_graph(text);
  ASSERT_TRUE(again) << again.error()[0].message << '\n' << text;
  EXPECT_EQ(print(*again), text);
  EXPECT_EQ(graph->nodes[0].origin.name, "/fc/MatMul");
  EXPECT_EQ(graph->values[graph->outputs[0]].dims[0],
            graph->pool.add(graph->pool.symbol("S"), graph->pool.symbol("past len")));
  EXPECT_EQ(graph->values[graph->nodes[3].outputs[0]].quant->axis, 1);
}

TEST(Graph, StatesHaveAnInputAnOutputAndAnAxis) {
  const std::string text = R"(graph grows {
  symbol P
  symbol Room
  input %past: f32[2,P] layout("+c1:Room")
  input %x: f32[2,3]
  output %present
  state 0 = 0 axis 1 capacity Room
  %present: f32[2,P + 3] layout("+c1:Room") = concat(%past, %x) {axis=1}
}
)";
  auto graph = parse_graph(text);
  ASSERT_TRUE(graph) << graph.error()[0].message;
  EXPECT_EQ(print(*graph), text);
  ASSERT_EQ(graph->states.size(), 1u);
  EXPECT_EQ(graph->states[0].capacity, graph->pool.symbol("Room"));
  for (const char* broken : {"state 2 = 0 axis 1", "state 0 = 1 axis 1", "state 0 = 0 axis 2"}) {
    std::string other = text;
    EXPECT_FALSE(parse_graph(other.replace(other.find("state 0 = 0 axis 1"), 18, broken))) << broken;
  }
}

TEST(Graph, LargeConstantsAreNamedByHash) {
  auto graph = parse_graph("graph g { constant %w: f32[64] = random(7)\n output %w }");
  EXPECT_FALSE(graph);  // outputs stand before constants
  graph = parse_graph("graph g { output %w constant %w: f32[64] = random(7) }");
  ASSERT_TRUE(graph) << graph.error()[0].message;
  std::string text = print(*graph);
  EXPECT_NE(text.find("= hash(\""), std::string::npos) << text;
  auto again = parse_graph(text);
  ASSERT_TRUE(again);
  EXPECT_EQ(print(*again), text);
}

TEST(Graph, BrokenGraphsAreRefused) {
  struct Case {
    const char* body;
    const char* message;
  };
  for (auto [body, message] : {
           Case{"output %y", "value %y is not defined"},
           Case{"input %x: f32[2] output %y %y: f32[2] = neg(%z) %z: f32[2] = neg(%x)", "value %z is not defined"},
           Case{"input %x: f32[2] %x: f32[2] = neg(%x)", "value %x is defined twice"},
           Case{"input %x: f32[2] %y: f32[2] = frobnicate(%x)", "no op is named `frobnicate`"},
           Case{"input %x: f32[2] %y: f32[2] = neg(%x) {color=1}", "no attribute is named `color`"},
           Case{"input %x: f32[2] %y: f32[2] = neg(%x) {axis=1, axis=2}", "is given twice"},
           Case{"input %x: f32[2.5]", "needs a type"},
           Case{"input %x: f32[-2]", "is not an extent"},
           Case{"constant %c: f32[2] = [1]", "fewer elements"},
           Case{"constant %c: i8[1] = [1, 2]", "more elements"},
           Case{"constant %c: f32[N] = [1]", "not constant, or too large"},
           Case{"constant %c: f32[99999999, 99999999] = splat(0)", "not constant, or too large"},
           Case{"input %x: f32[2] layout(\"0.1\")", "does not fit its rank"},
           Case{"assume S + 1", "an assumption is an equation"},
       }) {
    auto graph = parse_graph("graph g { " + std::string(body) + " }");
    ASSERT_FALSE(graph) << body;
    EXPECT_NE(graph.error()[0].message.find(message), std::string::npos) << graph.error()[0].message;
  }
}

}  // namespace
}  // namespace tenon
