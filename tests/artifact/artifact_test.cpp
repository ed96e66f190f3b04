// Graphs, through the whole driver but the importer, to artifacts that run: in process, and under QEMU.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "../../src/driver/inputs.h"
#include "../../src/driver/package.h"
#include "../../src/driver/signature.h"
#include "../loops/cases.h"
#include "tenon/ops.h"
#include "tenon/policy.h"
#include "tenon/runtime.h"

namespace tenon {
namespace {

namespace fs = std::filesystem;

// y = x[N,8] . w[8,5] + b, and its square.
Graph dense(const char* name) {
  testing::GraphMaker maker(name);
  ValueId x = maker.input("x", {"N", "8"});
  maker.graph.pool.var(maker.graph.values[x].dims[0]).lo = 1;
  maker.graph.pool.var(maker.graph.values[x].dims[0]).hi = 6;
  ValueId y = maker.node(Op::add, {maker.node(Op::dot, {x, maker.constant({8, 5})}), maker.constant({5})});
  maker.output(y);
  maker.output(maker.node(Op::mul, {y, y}));
  return std::move(maker.graph);
}

Result<ArtifactSummary> build(const Graph& graph, const std::string& target_name, const CompileOptions& options) {
  TENON_TRY(const Target target, load_target(target_name));
  TENON_TRY(const Plan plan, rules_policy(graph, target));
  TENON_TRY(const Module module, build_module(graph, plan, target, {}));
  const std::string arch = target.triple.substr(0, target.triple.find('-'));
  TENON_TRY(const CodeResult code,
            generate_code(module, target, {.runtime_bitcode = runtime_bitcode(RuntimePart::Model, arch)}));
  return package({.levels = {{.graph = graph, .plan = plan, .module = module, .target = target, .code = code, .loops_blake3 = {}}}, .options = options},
                 options.output);
}

std::string message(const Diags& diags) { return diags.empty() ? "" : diags[0].message; }

void expect_right(const std::string& path, const Graph& graph) {
  auto artifact = open_artifact(path);
  ASSERT_TRUE(artifact) << message(artifact.error());
  for (int64_t n : {1, 4, 6}) {
    Dims dims = {{"N", n}};
    auto inputs = load_inputs((*artifact)->signature(), {"random:3"}, dims, false);
    ASSERT_TRUE(inputs) << message(inputs.error());
    auto got = (*artifact)->run(*inputs, dims, 2);
    ASSERT_TRUE(got) << message(got.error());
    auto want = evaluate(graph, *inputs, {});
    ASSERT_TRUE(want);
    for (size_t k = 0; k < want->size(); ++k) {
      ASSERT_EQ((*got)[k].dims, (*want)[k].dims);
      for (size_t i = 0; i < (*want)[k].f.size(); ++i)
        EXPECT_NEAR((*got)[k].f[i], (*want)[k].f[i], 1e-5 * std::max(1.0, std::abs((*want)[k].f[i])));
    }
  }
}

class Built : public ::testing::TestWithParam<Weights> {
 protected:
  void TearDown() override {
    for (const fs::path& path : made_) fs::remove_all(path);
  }
  std::string folder(const std::string& name) {
    fs::path path = fs::path(::testing::TempDir()) / ("tenon_artifact_" + std::to_string(getpid()) + name + std::to_string(static_cast<int>(GetParam())));
    made_.push_back(path);
    return path.string();
  }

 private:
  std::vector<fs::path> made_;
};

TEST_P(Built, LibraryRunsHere) {
  const Graph graph = dense("dense");
  const CompileOptions options{.output = folder("here"), .emit = {Emit::SharedLibrary, Emit::Archive, Emit::Object, Emit::Exe, Emit::Header},
                               .weights = GetParam()};
  auto summary = build(graph, "native", options);
  ASSERT_TRUE(summary) << message(summary.error());
  EXPECT_GT(summary->workspace_bytes, -1);
  expect_right(options.output, graph);
  expect_right(options.output + "/dense", graph);  // the program
  for (const char* file : {"libdense.so", "libdense.a", "dense.o"}) {
    const std::string list = "nm -u " + options.output + "/" + file + " | grep ' U '";
    EXPECT_NE(std::system(list.c_str()), 0) << file << " has undefined symbols";
  }
  const std::string sections = "readelf -SW " + options.output + "/libdense.so | grep -E ' \\.(data|bss)'";
  EXPECT_NE(std::system(sections.c_str()), 0) << "no mutable globals";
}

TEST_P(Built, ProgramRunsUnderQemu) {
  const Graph graph = dense("dense");
  for (const char* target : {"aarch64", "rv64gcv"}) {
    auto loaded = load_target(target);
    ASSERT_TRUE(loaded);
    const std::string emulator = loaded->qemu.substr(0, loaded->qemu.find(' '));
    if (std::system(("command -v " + emulator + " >/dev/null").c_str()) != 0) GTEST_SKIP() << emulator << " is not here";
    const CompileOptions options{.output = folder(target), .emit = {Emit::SharedLibrary, Emit::Exe}, .weights = GetParam()};
    auto summary = build(graph, target, options);
    ASSERT_TRUE(summary) << target << ": " << message(summary.error());
    expect_right(options.output, graph);
  }
}

TEST_P(Built, TwoModelsInOneProgram) {
  if (std::system("command -v gcc >/dev/null") != 0) GTEST_SKIP() << "gcc is not here";
  const std::string a = folder("a"), b = folder("b");
  for (const auto& [name, out] : {std::pair("first", a), std::pair("second", b)}) {
    auto summary = build(dense(name), "native", {.output = out, .emit = {Emit::Archive, Emit::Header}, .weights = GetParam()});
    ASSERT_TRUE(summary) << message(summary.error());
  }
  const std::string source = a + "/main.c";
  ASSERT_EQ(std::system(("printf '#include \"first.h\"\\n#include \"second.h\"\\nint main(void) { return first_check() || "
                         "second_check() || first_build_id()[0] == 0; }\\n' > " + source).c_str()), 0);
  const std::string link = "gcc -Wall -Wextra -Wpedantic -Werror -I" + a + " -I" + b + " " + source + " " + a + "/libfirst.a " + b +
                           "/libsecond.a -o " + a + "/main && " + a + "/main";
  EXPECT_EQ(std::system(link.c_str()), 0);
}

INSTANTIATE_TEST_SUITE_P(Weights, Built, ::testing::Values(Weights::Embed, Weights::File),
                         [](const auto& row) { return row.param == Weights::Embed ? "Embed" : "File"; });

}  // namespace
}  // namespace tenon
