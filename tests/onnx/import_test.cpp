// Models written in ONNX's text syntax, and the diagnostics of those that cannot be imported.
#include <gtest/gtest.h>
#include <onnx/defs/parser.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tenon/frontend.h"

namespace tenon {
namespace {

namespace fs = std::filesystem;

class Import : public testing::Test {
 protected:
  void SetUp() override {
    // Of this process alone: a file that another one cuts short while it is mapped here is a bus error.
    std::string name = testing::TempDir() + "/tenon_import_XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder = name;
    fs::create_directories(folder / "model");
  }
  void TearDown() override { fs::remove_all(folder); }

  Result<Graph> bytes(const std::string& data, const ImportOptions& options = {}) {
    fs::path path = folder / "model" / "m.onnx";
    std::ofstream(path, std::ios::binary) << data;
    return import_onnx(path, options);
  }
  Result<Graph> proto(const onnx::ModelProto& model, const ImportOptions& options = {}) {
    return bytes(model.SerializeAsString(), options);
  }
  static onnx::ModelProto parse(const std::string& graph, int opset = 17) {
    onnx::ModelProto model;
    std::string text = "<ir_version: 8, opset_import: [\"\" : " + std::to_string(opset) + "]>\n" + graph;
    auto status = onnx::OnnxParser::Parse(model, text.c_str());
    EXPECT_TRUE(status.IsOK()) << status.ErrorMessage();
    return model;
  }
  Result<Graph> text(const std::string& graph, int opset = 17, const ImportOptions& options = {}) {
    return proto(parse(graph, opset), options);
  }
  static std::string output_type(const Result<Graph>& g) { return g ? type_text(*g, g->outputs[0]) : "error"; }
  static std::vector<std::string> codes(const Result<Graph>& g) {
    std::vector<std::string> list;
    if (!g)
      for (const Diag& d : g.error()) list.emplace_back(code_name(d.code));
    return list;
  }
  using Codes = std::vector<std::string>;

  // y = Add(x, w) with w in external data.
  onnx::ModelProto external(const std::string& location, const std::string& length = "16") {
    onnx::ModelProto model = parse("g (float[4] x) => (float[4] y) { y = Add(x, w) }");
    auto* w = model.mutable_graph()->add_initializer();
    w->set_name("w");
    w->set_data_type(onnx::TensorProto::FLOAT);
    w->add_dims(4);
    w->set_data_location(onnx::TensorProto::EXTERNAL);
    for (auto [key, value] : {std::pair{"location", location.c_str()}, {"length", length.c_str()}}) {
      auto* entry = w->add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    }
    return model;
  }

  fs::path folder;
};

TEST_F(Import, SymbolsSurviveShapeArithmetic) {
  auto g = text(R"(g (float[B,S,768] x) => (float[B,S,12,64] y) {
    s = Shape(x)
    zero = Constant<value_ints=[0]>()  one = Constant<value_ints=[1]>()
    b = Gather(s, zero)  t = Gather(s, one)
    tail = Constant<value_ints=[12,-1]>()
    to = Concat<axis=0>(b, t, tail)
    y = Reshape(x, to) })");
  EXPECT_EQ(output_type(g), "f32[B,S,12,64]");
}

TEST_F(Import, DimsAreBoundAndUnified) {
  const char* model = "g (float[N,4] x, float[M,4] z) => (float[N,4] y) { y = Add(x, z) }";
  EXPECT_EQ(output_type(text(model)), "f32[N,4]");
  EXPECT_EQ(output_type(text(model, 17, {.dims = {{"N", {3, 3}}}})), "f32[3,4]");
  EXPECT_EQ(output_type(text(model, 17, {.shapes = {{"z", {"5", "4"}}}})), "f32[5,4]");
  EXPECT_EQ(codes(text(model, 17, {.dims = {{"Q", {1, 2}}}})), Codes{"E0601"});
}

TEST_F(Import, OldAndNewSpellings) {
  EXPECT_EQ(output_type(text("g (float[2,1,3] x) => (float[2,3] y) { y = Squeeze<axes=[1]>(x) }", 7)), "f32[2,3]");
  EXPECT_EQ(output_type(text("g (float[9] x) => (float[4] y) { y = Slice<starts=[1], ends=[-4]>(x) }", 9)), "f32[4]");
  EXPECT_EQ(output_type(text("g (float[2,6] x) => (float[2,6] y) { y = Clip<min=0.0, max=6.0>(x) }", 7)), "f32[2,6]");
}

TEST_F(Import, FunctionsAreExpanded) {
  auto g = text(R"(g (float[2,3] x) => (float[2,3] y) { y = MeanVarianceNormalization<axes=[1]>(x) })");
  EXPECT_EQ(output_type(g), "f32[2,3]");
  onnx::ModelProto model;
  ASSERT_TRUE(onnx::OnnxParser::Parse(model, R"(<ir_version: 8, opset_import: ["" : 17, "own" : 1]>
    g (float[2] x) => (float[2] y) { y = own.twice(x) }
    <domain: "own", opset_import: ["" : 17]> twice (a) => (b) { b = Add(a, a) })").IsOK());
  EXPECT_EQ(output_type(proto(model)), "f32[2]");
}

TEST_F(Import, AllProblemsAtOnce) {
  auto g = text(R"(g (float[N] x) => (float[N] y) {
    a = NonZero(x)  b = Unique(x)  c = MatMul(x, missing)  y = Relu(x) })");
  EXPECT_EQ(codes(g), (Codes{"E0301", "E0301", "E0202"}));
  ASSERT_FALSE(g);
  EXPECT_EQ(g.error()[1].node.index, 1);
  EXPECT_EQ(g.error()[1].node.op, "Unique");
  EXPECT_EQ(g.error()[1].node.opset, 17);
}

TEST_F(Import, StructureErrors) {
  EXPECT_EQ(codes(text("g (float[2] x) => (float[2] y) { y = Relu(a)  a = Relu(x) }")), Codes{"E0201"});
  EXPECT_EQ(codes(text("g (float[2] x) => (float[2] y) { y = Relu(x)  y = Abs(x) }")), Codes{"E0203"});
  EXPECT_EQ(codes(text("g (float[2] x, float[3] z) => (float[2] y) { y = Add(x, z) }")), Codes{"E0204"});
  EXPECT_EQ(codes(text("g (float[2] x, int64[2] z) => (float[2] y) { y = Add(x, z) }")), Codes{"E0205"});
  EXPECT_EQ(codes(text("g (float[2] x) => (float[2] y) { y = Transpose<perm=[3]>(x) }")), Codes{"E0206"});
  EXPECT_EQ(codes(text("g (float[2] x) => (float[2] y) { y = Cast(x) }")), Codes{"E0206"});
  EXPECT_EQ(codes(text("g (float[4] x, float[2] f) => (float[2,2] y) { s = Cast<to=7>(f) y = Reshape(x, s) }")), Codes{"E0208"});
  EXPECT_EQ(codes(text("g (float[2] x) => (float[3] y) { y = Relu(x) }")), Codes{"E0209"});
  EXPECT_EQ(codes(text("g (string[2] x) => (string[2] y) { y = Identity(x) }")), Codes{"E0303"});
  EXPECT_EQ(codes(text("g (float[2] x) => (float[2] y) { y = nowhere.Op(x) }")), Codes{"E0304"});
  EXPECT_EQ(codes(text("g (float[2] x) => (float[2] y) { y = Relu(x) }", 0)), Codes{"E0105"});
  EXPECT_EQ(codes(text("g (float[2] x) => (float[2] y) { y = Relu(x) }", 999)), Codes{"E0105"});
}

TEST_F(Import, EndlessFunctionsStop) {
  onnx::ModelProto model;
  ASSERT_TRUE(onnx::OnnxParser::Parse(model, R"(<ir_version: 8, opset_import: ["" : 17, "own" : 1]>
    g (float[2] x) => (float[2] y) { y = own.f(x) }
    <domain: "own", opset_import: ["" : 17, "own" : 1]> f (a) => (b) { b = own.f(a) })").IsOK());
  EXPECT_EQ(codes(proto(model)), Codes{"E0901"});
}

TEST_F(Import, InitialisersAreChecked) {
  onnx::ModelProto model = parse("g (float[4] x) => (float[4] y) { y = Add(x, w) }");
  auto* w = model.mutable_graph()->add_initializer();
  w->set_name("w");
  w->set_data_type(onnx::TensorProto::FLOAT);
  w->add_dims(4);
  w->set_raw_data("short");
  EXPECT_EQ(codes(proto(model)), Codes{"E0106"});
  w->set_dims(0, int64_t{1} << 62);
  EXPECT_EQ(codes(proto(model)), Codes{"E0207"});
}

TEST_F(Import, ExternalDataStayInTheFolder) {
  std::ofstream(folder / "secret.bin") << std::string(64, 'x');
  std::ofstream(folder / "model" / "w.bin") << std::string(16, '\0');
  std::ofstream(folder / "model" / "short.bin") << "1234";
  fs::create_symlink("../secret.bin", folder / "model" / "link.bin");
  fs::create_hard_link(folder / "secret.bin", folder / "model" / "hard.bin");
  EXPECT_EQ(output_type(proto(external("w.bin"))), "f32[4]");
  EXPECT_EQ(codes(proto(external("../secret.bin"))), Codes{"E0104"});
  EXPECT_EQ(codes(proto(external((folder / "secret.bin").string()))), Codes{"E0104"});
  EXPECT_EQ(codes(proto(external("link.bin"))), Codes{"E0104"});
  EXPECT_EQ(codes(proto(external("hard.bin"))), Codes{"E0104"});
  EXPECT_EQ(codes(proto(external("missing.bin"))), Codes{"E0103"});
  EXPECT_EQ(codes(proto(external("short.bin"))), Codes{"E0103"});
  EXPECT_EQ(codes(proto(external("w.bin", "-1"))), Codes{"E0106"});
}

TEST_F(Import, FilesThatAreNoModels) {
  EXPECT_EQ(codes(import_onnx(folder / "none.onnx", {})), Codes{"E0101"});
  EXPECT_EQ(codes(import_onnx(folder, {})), Codes{"E0101"});
  EXPECT_EQ(codes(bytes("")), Codes{"E0102"});
  EXPECT_EQ(codes(bytes("version https://git-lfs.github.com/spec/v1\n")), Codes{"E0102"});
}

// Any prefix and any single changed byte: a graph or diagnostics, never a crash.
TEST_F(Import, DamagedBytes) {
  onnx::ModelProto model = parse("g (float[N,400] x) => (float[N,400] y) { a = Add(x, w)  y = Softmax<axis=-1>(a) }");
  auto* w = model.mutable_graph()->add_initializer();
  w->set_name("w");
  w->set_data_type(onnx::TensorProto::FLOAT);
  w->add_dims(400);
  w->set_raw_data(std::string(1600, '\0'));
  const std::string whole = model.SerializeAsString();
  EXPECT_EQ(output_type(bytes(whole)), "f32[N,400]");
  size_t refused = 0;
  for (size_t size = 0; size < whole.size(); size += size < 200 ? 1 : 97) refused += !bytes(whole.substr(0, size));
  EXPECT_GT(refused, 100u);
  for (size_t at = 0; at < whole.size(); at += at < 250 ? 1 : 61)
    for (int bit = 0; bit < 8; bit += 3) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      auto g = bytes(damaged);
      if (!g) {
        EXPECT_FALSE(g.error().empty());
      }
    }
}

TEST(Operators, AreSortedAndMany) {
  auto names = supported_operators();
  EXPECT_TRUE(std::ranges::is_sorted(names));
  EXPECT_TRUE(std::ranges::binary_search(names, "Conv"));
}

}  // namespace
}  // namespace tenon
