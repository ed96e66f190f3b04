// The generated headers under strict compilers, and the C structures against the runtime's own.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "../../src/driver/bindings.h"
#include "../../src/driver/signature.h"

namespace tenon {
namespace {

Signature awkward() {
  Graph graph;
  graph.name = "detector";
  Expr n = graph.pool.symbol("batch size"), s = graph.pool.symbol("int");
  graph.pool.var(n).lo = 1;
  graph.pool.var(n).hi = 8;
  Expr three = graph.pool.index(3);
  graph.inputs = {graph.add_value("input.1", DType::F32, {n, three, s}), graph.add_value("class", DType::I64, {}),
                  graph.add_value("input_1", DType::Bool, {graph.pool.add(n, s)}),
                  graph.add_value("*/ evil /*\n", DType::F16, {three}), graph.add_value("z", DType::C64, {three})};
  graph.outputs = {graph.add_value("0", DType::U8, {n}), graph.add_value("x0_capacity", DType::I4, {s, three})};
  return signature_of(graph);
}

TEST(Signature, FieldsAreLegalAndUnique) {
  Signature s = awkward();
  EXPECT_EQ(s.inputs[0].field, "input_1");
  EXPECT_EQ(s.inputs[1].field, "class_");
  EXPECT_EQ(s.inputs[2].field, "input_1_2");
  EXPECT_EQ(s.outputs[0].field, "x0");
  EXPECT_EQ(s.outputs[1].field, "x0_capacity_2");
  EXPECT_EQ(s.symbols[0].field, "batch_size");
  EXPECT_EQ(s.symbols[1].field, "int_");
  EXPECT_EQ(s.symbols[1].input, 0);
  EXPECT_EQ(s.symbols[1].axis, 2);
}

TEST(Signature, JsonRoundTrip) {
  Signature s = awkward();
  auto back = parse_signature(to_json(s));
  ASSERT_TRUE(back);
  EXPECT_EQ(to_json(*back), to_json(s));
  EXPECT_FALSE(parse_signature("{\"schema\": 2}"));
  EXPECT_FALSE(parse_signature("[1"));
}

class Headers : public testing::TestWithParam<const char*> {};

TEST_P(Headers, CompileWithoutWarning) {
  const std::string command = GetParam();
  const std::string compiler = command.substr(0, command.find(' '));
  if (std::system(("command -v " + compiler + " >/dev/null").c_str()) != 0) GTEST_SKIP() << compiler << " is not here";
  const std::string folder = testing::TempDir() + "tenon_header_" + std::to_string(std::hash<std::string>{}(command));
  ASSERT_EQ(std::system(("mkdir -p " + folder).c_str()), 0);
  for (bool symbolic : {true, false}) {
    BindingInfo info{.signature = awkward(), .target = "x86-64-v3", .build_id = std::string(64, 'a')};
    if (!symbolic) info.signature.symbols.clear();
    info.workspace_max = 4096;
    info.weights_file_bytes = symbolic ? 64 : 0;
    info.pool = symbolic;
    std::ofstream(folder + "/detector.h") << c_header(info);
    std::ofstream(folder + "/detector.hpp") << cpp_header(info);
    const bool cpp = command.find("++") != command.npos;
    std::ofstream(folder + (cpp ? "/use.cpp" : "/use.c"))
        << "#include \"detector.h" << (cpp ? "pp" : "") << "\"\nint main(void) { return DETECTOR_OK; }\n";
    EXPECT_EQ(std::system((command + " -Wall -Wextra -Wpedantic -Werror -fsyntax-only " + folder + (cpp ? "/use.cpp" : "/use.c")).c_str()), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Compilers, Headers,
                         testing::Values("gcc -std=c99", "gcc -std=c11", "g++ -std=c++11", "g++ -std=c++20",
                                         "clang-19 -std=c99", "clang-19 -std=c11", "clang++-19 -std=c++11",
                                         "clang++-19 -std=c++20"));

}  // namespace
}  // namespace tenon
