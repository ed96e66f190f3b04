// What verify_ops finds in graphs that parse.
#include <gtest/gtest.h>

#include <algorithm>

#include "tenon/ops.h"

namespace tenon {
namespace {

std::vector<std::string> violations(const std::string& text) {
  auto graph = parse_graph(text);
  EXPECT_TRUE(graph) << graph.error()[0].message;
  std::vector<std::string> list;
  if (!graph) return list;
  if (auto verified = verify_ops(*graph); !verified)
    for (const Diag& d : verified.error()) {
      EXPECT_EQ(d.code, Code::E0603);
      list.push_back(d.message);
    }
  return list;
}
using List = std::vector<std::string>;

// One input %x: f32[4,6], then the nodes.
List of(const std::string& nodes, const std::string& declarations = "") {
  return violations("graph g {\n input %x: f32[4,6]\n " + declarations + "\n" + nodes + "\n}");
}

TEST(VerifyOps, WhatIsRight) {
  EXPECT_EQ(of("%y: f32[6,4] = transpose(%x) {perm=[1, 0]}\n%z: f32[4,4] = dot(%x, %y)"), List{});
}

TEST(VerifyOps, RecordedTypes) {
  EXPECT_EQ(of("%y: f32[4,6] = transpose(%x) {perm=[1, 0]}"),
            List{"%y: the recorded type is f32[4,6], inferred is f32[6,4]"});
  EXPECT_EQ(of("%y: f16[4,6] = neg(%x)"), List{"%y: the recorded type is f16[4,6], inferred is f32[4,6]"});
}

TEST(VerifyOps, Signatures) {
  EXPECT_EQ(of("%y: f32[4,6] = neg(%x, %x)"), List{"%y: neg does not take 2 operands"});
  EXPECT_EQ(of("%y: f32[4,6] = add(%x, _)"), List{"%y: add needs its operand 1"});
  EXPECT_EQ(of("%y: f32[4,6], %z: f32[4,6] = neg(%x)"), List{"%y: neg does not make 2 values"});
  EXPECT_EQ(of("%y: f32[6,4] = transpose(%x)"), List{"%y: transpose needs the attribute perm"});
  EXPECT_EQ(of("%y: f32[4,6] = neg(%x) {axis=1}"), List{"%y: neg takes no attribute axis"});
  EXPECT_EQ(of("%y: f32[4,6] = softmax(%x) {axis=2}"), List{"%y: axis 2 of a tensor of rank 2"});
  EXPECT_EQ(of("%y: f32[4,6] = neg(%x)\ngraph body {\n}"), List{"%y: neg takes no body"});
}

TEST(VerifyOps, AllInOneGo) {
  EXPECT_EQ(of("%y: f32[6,4] = transpose(%x)\n%z: f16[4,6] = neg(%x) {axis=1}"),
            (List{"%y: transpose needs the attribute perm", "%z: neg takes no attribute axis",
                  "%z: the recorded type is f16[4,6], inferred is f32[4,6]"}));
}

TEST(VerifyOps, AttributesOfAnotherType) {
  auto graph = parse_graph("graph g {\n input %x: f32[4,6]\n %y: f32[6,4] = transpose(%x) {perm=[1, 0]}\n}");
  ASSERT_TRUE(graph);
  graph->nodes[0].attrs.put(Attr::perm, attr::Int(1));
  auto verified = verify_ops(*graph);
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error()[0].message, "%y: attribute perm has the wrong type");
}

TEST(VerifyOps, EqualitiesThatTheGraphDoesNotState) {
  const std::string nodes = "%y: f32[N] = add(%a, %b)";
  auto with = [&](const std::string& assumption) {
    return violations("graph g {\n input %a: f32[N]\n input %b: f32[ceildiv(M, 2)]\n" + assumption + nodes + "\n}");
  };
  EXPECT_EQ(with(""), List{"%y: dims are equal only if the graph assumes it"});
  EXPECT_EQ(with("assume N == ceildiv(M, 2)\n"), List{});
}

TEST(VerifyOps, Quantisation) {
  const std::string node = "%y: u8[4,6] quant(%s, %z, axis=1) = quantize(%x, %s, %z) {axis=1}";
  EXPECT_EQ(of(node, "constant %s: f32[6] = splat(0.5)\nconstant %z: u8[6] = splat(3)"), List{});
  const std::string wrong = "%y: u8[4,6] quant(%s, %z, axis=0) = quantize(%x, %s, %z) {axis=1}";
  EXPECT_EQ(of(wrong, "constant %s: f32[6] = splat(0.5)\nconstant %z: u8[6] = splat(3)"),
            (List{"the quantisation of %y: its scale has other extents", "the quantisation of %y: its zero point has other extents"}));
}

TEST(VerifyOps, EveryRowTakesWhatItNeeds) {
  for (const OpDef* def : {
#define OP(name, family) &def_##name,
#include "tenon/ops.def"
#undef OP
       })
    for (Attr key : def->needs)
      EXPECT_NE(std::ranges::find(def->attrs, key), def->attrs.end()) << def->name << " " << spelling(key);
}

}  // namespace
}  // namespace tenon
