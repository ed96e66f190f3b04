// Every code of diagnostics.def, provoked as a user would: one row each, and the last test asks for all.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "scene.h"
#include "tenon/result.h"

namespace tenon::errors {
namespace {

using Setup = std::string (*)(const Scene&);  // makes the files; the words behind `tenon`

struct Case {
  Code code;
  int exit_code;
  const char* message;             // part of it
  const char* hint;                // part of it; "": there need not be one
  Setup setup;
  const char* node = "";           // "INDEX NAME OP OPSET"; "": of no node
  std::vector<std::string> shapes = {};
};

// `check m.onnx` of a graph of one node, or more.
template <const char* graph, int opset = 17>
std::string check(const Scene& s) {
  s.model(graph, opset);
  return "check m.onnx";
}

constexpr char kIdentity[] = "g (float[N,4] x) => (float[N,4] y) { y = Relu(x) }";
constexpr char kCycle[] = "g (float[2] x) => (float[2] y) { [first] a = Add(x, y) [second] y = Relu(a) }";
constexpr char kUndefined[] = "g (float[2] x) => (float[2] y) { [sum] y = Add(x, nothing) }";
constexpr char kTwice[] = "g (float[2] x) => (float[2] y) { [one] y = Relu(x) [two] y = Abs(x) }";
constexpr char kShapes[] = "g (float[2,3] x, float[4] z) => (float[2,3] y) { a = Relu(x) [sum] y = Add(a, z) }";
constexpr char kTypes[] = "g (float[2] x, int64[2] z) => (float[2] y) { [sum] y = Add(x, z) }";
constexpr char kPerm[] = "g (float[2] x) => (float[2] y) { [turn] y = Transpose<perm=[3]>(x) }";
constexpr char kData[] = "g (float[4] x, float[2] f) => (float[2,2] y) { s = Cast<to=7>(f) [to] y = Reshape(x, s) }";
constexpr char kDeclared[] = "g (float[2] x) => (float[3] y) { y = Relu(x) }";
constexpr char kUnknown[] = "g (float[2] x) => (float[2] y) { [what] y = Unheard(x) }";
constexpr char kVariant[] =
    "g (float[1,2,3] x, float[2] s) => (float[1,2,3] y) { [norm] y = BatchNormalization<spatial=0>(x, s, s, s, s) }";
constexpr char kStrings[] = "g (string[2] x) => (string[2] y) { y = Identity(x) }";
constexpr char kIsland[] =
    "g (uint8[2,4] x) => (float[2,2] y) <float s = {0.5}, int8[4,2] w = {1, 2, 3, 4, 5, 6, 7, 8}, float[4] t = {1, 2, 3, 4}> {"
    " a = DequantizeLinear(x, s) b = DequantizeLinear<axis=0>(w, t) [mm] y = MatMul(a, b) }";
constexpr char kState[] = "g (float[2,P] past, float[2,3] x) => (float[2,Q] present) { a = Relu(x) [grow] present = Concat<axis=1>(a, past) }";
constexpr char kDomain[] = "g (float[2] x) => (float[2] y) { [far] y = nowhere.Op(x) }";

std::string compiled(const Scene& s, const std::string& more = "") {
  s.model(kIdentity);
  EXPECT_EQ(s.tenon("compile m.onnx -o out --emit so " + more).exit_code, 0);
  return "out";
}

// A target like x86-64-v2, with one thing changed.
void target_like(const Scene& s, const std::string& what, const std::string& by) {
  std::ifstream file(TENON_SOURCE_DIR "/backends/targets/x86-64-v2.toml");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  const size_t at = text.find(what);
  ASSERT_NE(at, std::string::npos);
  s.write("t.toml", text.replace(at, what.size(), by));
}

std::string weighted(const Scene& s, const std::string& name, const std::string& weight) {
  s.model("g (float[4] x) => (float[4] y) <float[4] w = {1, 2, 3, " + weight + "}> { y = Mul(x, w) }", 17, name);
  return name;
}

const Case kCases[] = {
    {Code::E0101, 1, "missing.onnx", "", [](const Scene&) { return std::string("check missing.onnx"); }},
    {Code::E0102, 1, "", "", [](const Scene& s) {
       s.write("m.onnx", "version https://git-lfs.github.com/spec/v1\n");
       return std::string("check m.onnx");
     }},
    {Code::E0103, 1, "'w.bin' is missing", "", [](const Scene& s) {
       s.model(external_model("w.bin"));
       return std::string("check m.onnx");
     }, "0 Add_0 Add 17"},
    {Code::E0104, 1, "contains '..'", "relative path", [](const Scene& s) {
       s.model(external_model("../w.bin"));
       return std::string("check m.onnx");
     }, "0 Add_0 Add 17"},
    {Code::E0105, 1, "opset 99", "", check<kIdentity, 99>},
    {Code::E0106, 1, "tensor 'w' has 5 bytes of data, its type and dims need 16", "", [](const Scene& s) {
       onnx::ModelProto model = Scene::parse("g (float[4] x) => (float[4] y) { y = Add(x, w) }");
       auto* w = model.mutable_graph()->add_initializer();
       w->set_name("w");
       w->set_data_type(onnx::TensorProto::FLOAT);
       w->add_dims(4);
       w->set_raw_data("short");
       s.model(model);
       return std::string("check m.onnx");
     }, "0 Add_0 Add 17"},
    {Code::E0201, 1, "'y' is used before", "topologically", check<kCycle>, "0 first Add 17"},
    {Code::E0202, 1, "'nothing' is not defined", "", check<kUndefined>, "0 sum Add 17"},
    {Code::E0203, 1, "'y' is defined twice", "", check<kTwice>, "1 two Abs 17", {"x: f32[2]"}},
    {Code::E0204, 1, "3 and 4", "", check<kShapes>, "1 sum Add 17", {"a: f32[2,3]", "z: f32[4]"}},
    {Code::E0205, 1, "f32 and i64", "", check<kTypes>, "0 sum Add 17", {"x: f32[2]", "z: i64[2]"}},
    {Code::E0206, 1, "perm", "", check<kPerm>, "0 turn Transpose 17", {"x: f32[2]"}},
    {Code::E0207, 1, "overflow", "", [](const Scene& s) {
       onnx::ModelProto model = Scene::parse("g (float[4] x) => (float[4] y) { y = Add(x, w) }");
       auto* w = model.mutable_graph()->add_initializer();
       w->set_name("w");
       w->set_data_type(onnx::TensorProto::FLOAT);
       for (int d = 0; d < 3; ++d) w->add_dims(int64_t{1} << 40);
       w->set_raw_data("");
       s.model(model);
       return std::string("check m.onnx");
     }, "0 Add_0 Add 17"},
    {Code::E0208, 1, "computed from data", "constant", check<kData>, "1 to Reshape 17", {"x: f32[4]", "s: i64[2]"}},
    {Code::E0209, 1, "y", "", check<kDeclared>},
    {Code::E0301, 3, "Unheard", "", check<kUnknown>, "0 what Unheard 17", {"x: f32[2]"}},
    {Code::E0302, 3, "spatial = 0", "", check<kVariant, 8>, "0 norm BatchNormalization 8",
     {"x: f32[1,2,3]", "s: f32[2]", "s: f32[2]", "s: f32[2]", "s: f32[2]"}},
    {Code::E0303, 3, "type str", "", check<kStrings>},
    {Code::E0304, 3, "nowhere", "", check<kDomain>, "0 far nowhere::Op 0", {"x: f32[2]"}},
    {Code::E0306, 3, "not the first operand", "leave this pair out",
     [](const Scene& s) {
       s.model(kState);
       return std::string("compile m.onnx -o out --state past=present");
     },
     "1 grow Concat 17", {"past: f32[2,P]", "present: f32[2,P + 3]"}},
    {Code::E0305, 0, "computed in floats", "integer form", check<kIsland>, "2 mm MatMul 17", {"a: f32[2,4]", "b: f32[4,2]"}},
    {Code::E0401, 1, "z80", "one of: ", [](const Scene& s) {
       s.model(kIdentity);
       return std::string("compile m.onnx -o out --target z80");
     }},
    {Code::E0402, 1, "speed", "", [](const Scene& s) {
       s.model(kIdentity);
       target_like(s, "cpu = ", "speed = 3\ncpu = ");
       return std::string("compile m.onnx -o out --target ./t.toml");
     }},
    {Code::E0403, 1, "no knob is named `speed`", "", [](const Scene& s) {
       s.model(kIdentity);
       s.write("s.schedule", "target \"x86-64-v2\" graph \"\" region r { nodes %y place %y root otherwise: speed=4 }");
       return std::string("compile m.onnx -o out --target x86-64-v2 --schedule s.schedule");
     }},
    {Code::E0404, 1, "LLVM has no backend for", "", [](const Scene& s) {
       s.model(kIdentity);
       target_like(s, "x86_64-unknown-linux-gnu", "vax-unknown-linux-gnu");
       return std::string("compile m.onnx -o out --target ./t.toml");
     }},
    {Code::E0405, 1, "no instruction that multiplies bf16", "leave --precision out", [](const Scene& s) {
       s.model(kIdentity);
       return std::string("compile m.onnx -o out --target x86-64-v3 --precision bf16");
     }},
    {Code::E0501, 1, "nothing_here does not exist", "", [](const Scene&) { return std::string("run nothing_here"); }},
    {Code::E0502, 1, "`x`", "", [](const Scene& s) {
       const std::string out = compiled(s);
       s.model("g (float[3,4] i) => (float[3,4] o) { o = Relu(i) }", 17, "other.onnx");
       return "run " + out + " --input x=" TENON_SOURCE_DIR "/models/digits_images.npy";
     }},
    {Code::E0503, 1, "", "", [](const Scene& s) {
       weighted(s, "w.onnx", "2");
       EXPECT_EQ(s.tenon("compile w.onnx -o out --emit so --weights file").exit_code, 0);
       std::filesystem::resize_file(s.path("out/w.weights"), 1);
       return std::string("run out --input random:0");
     }},
    {Code::E0504, 4, "outside the bound", "--layers", [](const Scene& s) {
       EXPECT_EQ(s.tenon("compile " + weighted(s, "w.onnx", "2") + " -o out --emit so").exit_code, 0);
       return "verify " + weighted(s, "w.onnx", "3") + " out";
     }},
    {Code::E0505, 1, "in_the_way", "", [](const Scene& s) {
       s.model(kIdentity);
       s.write("in_the_way", "a file");
       return std::string("compile m.onnx -o in_the_way/out");
     }},
    {Code::E0506, 6, "qemu", "qemu-user", [](const Scene& s) {
       s.model(kIdentity);
       EXPECT_EQ(s.tenon("compile m.onnx -o out --emit exe --target " TENON_FOREIGN_TARGET).exit_code, 0);
       return std::string("run out --input random:0 --dim N=1");
     }},
    {Code::E0601, 2, "--frob", "tenon compile --help", [](const Scene&) { return std::string("compile m.onnx --frob"); }},
    {Code::E0602, 2, "N is not bound", "--dim N=1", [](const Scene& s) { return "run " + compiled(s) + " --input random:0"; }},
    {Code::E0603, 2, "expected `target`", "", [](const Scene& s) {
       s.model(kIdentity);
       s.write("s.schedule", "no plan");
       return std::string("compile m.onnx -o out --schedule s.schedule");
     }},
    {Code::E0604, 2, "frob", "", [](const Scene& s) {
       s.write("tenon.toml", "frob = 1\n[[model]]\nfile = \"m.onnx\"\n");
       return std::string("compile --manifest tenon.toml");
     }},
    {Code::E0701, 1, "not a database", "", [](const Scene& s) {
       s.model(kIdentity);
       return std::string("telemetry stats --store m.onnx");
     }},
    {Code::E0702, 1, "shorter than its header", "", [](const Scene& s) {
       s.write("run.prof", "TENONPR1");
       return std::string("telemetry ingest run.prof --artifact out --store t.db");
     }},
    {Code::E0703, 1, "does not begin with", "", [](const Scene& s) {
       s.model(kIdentity);
       s.write("none.model", "trees");
       return std::string("tune m.onnx --cost-model none.model");
     }},
    {Code::E0901, 1, "nest too deeply", "", [](const Scene& s) {
       s.model("<ir_version: 8, opset_import: [\"\" : 17, \"own\" : 1]> g (float[2] x) => (float[2] y) { y = own.f(x) }"
               "<domain: \"own\", opset_import: [\"\" : 17, \"own\" : 1]> f (a) => (b) { b = own.f(a) }");
       return std::string("check m.onnx");
     }, "0 * own::f 1", {"x: f32[2]"}},
};

void PrintTo(const Case& c, std::ostream* out) { *out << code_name(c.code); }

class Codes : public testing::TestWithParam<Case> {};

std::string node_of(const nlohmann::json& record) {
  if (!record.contains("node")) return "";
  const auto& n = record["node"];
  return std::to_string(n["index"].get<int>()) + ' ' + n["name"].get<std::string>() + ' ' + n["op"].get<std::string>() +
         ' ' + std::to_string(n["opset"].get<int>());
}

TEST_P(Codes, IsProvoked) {
  const Case& c = GetParam();
  const Scene scene;
  const std::string words = c.setup(scene);
  // QEMU must not be found where its absence is the error.
  const Seen seen = scene.json(words, c.code == Code::E0506 ? "PATH=/nonexistent" : "");
  EXPECT_EQ(seen.exit_code, c.exit_code) << seen.text;
  ASSERT_EQ(seen.diagnostics.size(), 1u) << seen.text;
  const nlohmann::json& record = seen.diagnostics[0];
  EXPECT_EQ(record["code"], code_name(c.code)) << seen.text;
  EXPECT_EQ(record["title"], code_title(c.code));
  const std::string message = record["message"], hint = record.value("help", "");
  EXPECT_FALSE(message.empty());
  EXPECT_NE(message.find(c.message), std::string::npos) << message;
  EXPECT_NE(hint.find(c.hint), std::string::npos) << "hint: " << hint;
  // A name that grows with the depth of calls is written *.
  const std::string node = node_of(record), expected = c.node;
  const size_t star = expected.find('*');
  if (star == std::string::npos) {
    EXPECT_EQ(node, expected);
  } else {
    EXPECT_TRUE(node.starts_with(expected.substr(0, star)) && node.ends_with(expected.substr(star + 1))) << node;
  }
  EXPECT_EQ(record.value("shapes", std::vector<std::string>{}), c.shapes);
  EXPECT_FALSE(fs::exists(scene.path("out/manifest.json")) && words.starts_with("compile")) << "half an artifact";

  const Seen explained = scene.tenon("explain " + std::string(code_name(c.code)));
  EXPECT_NE(explained.text.find(code_explanation(c.code).substr(0, 30)), std::string::npos) << explained.text;
}

INSTANTIATE_TEST_SUITE_P(All, Codes, testing::ValuesIn(kCases),
                         [](const auto& i) { return std::string(code_name(i.param.code)); });

TEST(Codes, EveryCodeHasACase) {
  for (Code code : {
#define DIAG(code, title, explanation) Code::code,
#include "tenon/diagnostics.def"
#undef DIAG
       })
    EXPECT_EQ(std::ranges::count(kCases, code, &Case::code), 1) << code_name(code);
}

}  // namespace
}  // namespace tenon::errors
