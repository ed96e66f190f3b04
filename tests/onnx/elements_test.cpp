// Operands that shapes depend on, given as inputs; sub-graphs; opsets before 7.
#include <gtest/gtest.h>
#include <onnx/defs/parser.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tenon/frontend.h"
#include "tenon/ops.h"

namespace tenon {
namespace {

Result<Graph> import_text(const std::string& body, int opset = 18) {
  const std::string text = "<ir_version: 8, opset_import: [\"\" : " + std::to_string(opset) + "]>\n" + body;
  onnx::ModelProto model;
  auto parsed = onnx::OnnxParser::Parse(model, text.c_str());
  EXPECT_TRUE(parsed.IsOK()) << parsed.ErrorMessage();
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / ("tenon_elements_" + std::to_string(getpid()) + ".onnx");
  std::ofstream(path, std::ios::binary) << model.SerializeAsString();
  auto graph = import_onnx(path.string(), {});
  std::filesystem::remove(path);  // what is mapped stays
  return graph;
}

Tensor floats(std::vector<int64_t> dims) {
  Tensor t = Tensor::zeros(DType::F32, std::move(dims));
  for (size_t i = 0; i < t.f.size(); ++i) t.f[i] = static_cast<double>(i);
  return t;
}
Tensor integers(std::vector<int64_t> values) {
  Tensor t = Tensor::zeros(DType::I64, {static_cast<int64_t>(values.size())});
  t.i = std::move(values);
  return t;
}

// The dims of the result, or its diagnostic's code.
std::string shape_of(const Result<Graph>& graph, const std::vector<Tensor>& inputs) {
  if (!graph) return std::string(code_name(graph.error()[0].code)) + " " + graph.error()[0].message;
  auto outputs = evaluate(*graph, inputs, {});
  if (!outputs) return std::string(code_name(outputs.error()[0].code));
  std::string text;
  for (int64_t d : (*outputs)[0].dims) text += (text.empty() ? "" : ",") + std::to_string(d);
  return text;
}

TEST(Elements, Reshape) {
  auto graph = import_text("g (float[2,3,4] x, int64[2] s) => (float[a,b] y) { y = Reshape(x, s) }");
  EXPECT_EQ(shape_of(graph, {floats({2, 3, 4}), integers({6, 4})}), "6,4");
  EXPECT_EQ(shape_of(graph, {floats({2, 3, 4}), integers({0, -1})}), "2,12");
  EXPECT_EQ(shape_of(graph, {floats({2, 3, 4}), integers({-1, 3})}), "8,3");
  EXPECT_EQ(shape_of(graph, {floats({2, 3, 4}), integers({5, -1})}), "E0502");
  EXPECT_EQ(shape_of(graph, {floats({2, 3, 4}), integers({-1, -1})}), "E0502");
  EXPECT_EQ(shape_of(graph, {floats({2, 3, 4}), integers({-6, -4})}), "E0502");
}

TEST(Elements, AxesOfReductions) {
  auto kept = import_text("g (float[2,3,4] x, int64[2] a) => (float[p,q,r] y) { y = ReduceSum(x, a) }");
  EXPECT_EQ(shape_of(kept, {floats({2, 3, 4}), integers({0, -1})}), "1,3,1");
  EXPECT_EQ(shape_of(kept, {floats({2, 3, 4}), integers({1, 1})}), "E0502");
  EXPECT_EQ(shape_of(kept, {floats({2, 3, 4}), integers({0, 3})}), "E0502");
  auto dropped = import_text("g (float[2,3,4] x, int64[1] a) => (float[p,q] y) { y = ReduceMax<keepdims=0>(x, a) }");
  EXPECT_EQ(shape_of(dropped, {floats({2, 3, 4}), integers({-2})}), "2,4");
  auto outputs = evaluate(*dropped, std::vector{floats({2, 3, 4}), integers({1})}, {});
  ASSERT_TRUE(outputs);
  EXPECT_EQ((*outputs)[0].f, (std::vector<double>{8, 9, 10, 11, 20, 21, 22, 23}));
}

TEST(Elements, SliceOfAnyStep) {
  auto graph = import_text(
      "g (float[6] x, int64[1] s, int64[1] e, int64[1] a, int64[1] t) => (float[n] y) { y = Slice(x, s, e, a, t) }");
  ASSERT_TRUE(graph) << graph.error()[0].message;
  auto slice = [&](int64_t start, int64_t end, int64_t step) -> std::vector<double> {
    auto outputs = evaluate(*graph, std::vector{floats({6}), integers({start}), integers({end}), integers({-1}), integers({step})}, {});
    return outputs ? (*outputs)[0].f : std::vector<double>{-1};
  };
  EXPECT_EQ(slice(1, INT64_MAX, 2), (std::vector<double>{1, 3, 5}));
  EXPECT_EQ(slice(-1, INT64_MIN, -2), (std::vector<double>{5, 3, 1}));
  EXPECT_EQ(slice(4, 1, 1), (std::vector<double>{}));
  EXPECT_EQ(slice(0, 6, 0), (std::vector<double>{-1}));  // refused
}

TEST(Elements, LimitsAreChecked) {
  auto top = import_text("g (float[4] x, int64[1] k) => (float[n] y, int64[n] i) { y, i = TopK(x, k) }");
  EXPECT_EQ(shape_of(top, {floats({4}), integers({3})}), "3");
  EXPECT_EQ(shape_of(top, {floats({4}), integers({5})}), "E0502");
  auto pad = import_text("g (float[4] x, int64[2] p) => (float[n] y) { y = Pad<mode=\"reflect\">(x, p) }");
  EXPECT_EQ(shape_of(pad, {floats({4}), integers({3, 2})}), "9");
  EXPECT_EQ(shape_of(pad, {floats({4}), integers({4, 0})}), "E0502");
  // Each extent is legal, their product is not.
  auto expand = import_text("g (float[1,1] x, int64[2] s) => (float[a,b] y) { y = Expand(x, s) }");
  EXPECT_EQ(shape_of(expand, {floats({1, 1}), integers({int64_t{1} << 30, int64_t{1} << 30})}), "E0502");
}

TEST(Elements, OnlyWhereShapesDependOnThem) {
  auto graph = import_text("g (int64[4] x, int64[4] z) => (int64[4] y) { y = Add(x, z) }");
  ASSERT_TRUE(graph);
  EXPECT_TRUE(graph->data_symbols.empty());
  EXPECT_FALSE(graph->values[graph->inputs[0]].content);
}

TEST(ControlFlow, KnownLengths) {
  auto scan = import_text(R"(g (float[2] s, float[3,2] x) => (float[2] y, float[3,2] z) {
    y, z = Scan<num_scan_inputs=1, body = b (float[2] a, float[2] n) => (float[2] o, float[2] p) { o = Add(a, n) p = Identity(o) }>(s, x) })");
  ASSERT_TRUE(scan) << scan.error()[0].message;
  auto outputs = evaluate(*scan, std::vector{floats({2}), floats({3, 2})}, {});
  ASSERT_TRUE(outputs);
  EXPECT_EQ((*outputs)[0].f, (std::vector<double>{6, 10}));
  EXPECT_EQ((*outputs)[1].f, (std::vector<double>{0, 2, 2, 5, 6, 10}));
  auto open = import_text(R"(g (float[2] s, float[N,2] x) => (float[2] y) {
    y = Scan<num_scan_inputs=1, body = b (float[2] a, float[2] n) => (float[2] o) { o = Add(a, n) }>(s, x) })");
  ASSERT_FALSE(open);
  EXPECT_EQ(open.error()[0].code, Code::E0302);
}

TEST(ControlFlow, IfOfTheRun) {
  auto graph = import_text(R"(g (bool c, float[2] x) => (float[2] y) {
    y = If (c) <then_branch = t () => (float[2] a) { a = Neg(x) }, else_branch = e () => (float[2] b) { b = Identity(x) }> })");
  ASSERT_TRUE(graph) << graph.error()[0].message;
  Tensor yes = Tensor::zeros(DType::Bool, {});
  yes.i = {1};
  auto outputs = evaluate(*graph, std::vector{yes, floats({2})}, {});
  ASSERT_TRUE(outputs);
  EXPECT_EQ((*outputs)[0].f[1], -1);
}

TEST(OldOpsets, BroadcastAtAnAxis) {
  auto graph = import_text("g (float[2,3,2] x, float[3] z) => (float[2,3,2] y) { y = Add<broadcast=1, axis=1>(x, z) }", 6);
  ASSERT_TRUE(graph) << graph.error()[0].message;
  auto outputs = evaluate(*graph, std::vector{floats({2, 3, 2}), floats({3})}, {});
  ASSERT_TRUE(outputs);
  EXPECT_EQ((*outputs)[0].f, (std::vector<double>{0, 1, 3, 4, 6, 7, 6, 7, 9, 10, 12, 13}));
}

}  // namespace
}  // namespace tenon
