// Golden tests: tests/golden/FOLDER/CASE.graph or .loops holds an input, a line `---`, and all that comes out.
// A folder named after a row of passes.def runs that pass; a first line `// RUN: ...` gives the options of
// tenon-opt instead. Every row has a folder with at least two cases. `test_golden --bless` writes what comes
// out into the files: read the diff before committing it.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "opt.h"

namespace tenon {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSeparator = "---\n", kRun = "// RUN: ";
constexpr int kMaxLines = 30;  // of an input: a case shows one thing
bool bless = false;

std::vector<fs::path> cases_in(const fs::path& folder) {
  std::vector<fs::path> cases;
  if (!fs::is_directory(folder)) return cases;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".graph" || entry.path().extension() == ".loops") cases.push_back(entry.path());
  std::ranges::sort(cases);
  return cases;
}

std::vector<fs::path> all_cases() {
  std::vector<fs::path> folders, cases;
  for (const auto& entry : fs::directory_iterator(TENON_GOLDEN_DIR))
    if (entry.is_directory()) folders.push_back(entry.path());
  std::ranges::sort(folders);
  for (const fs::path& folder : folders) std::ranges::move(cases_in(folder), std::back_inserter(cases));
  return cases;
}

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The options that the first line gives, or the folder's name.
opt::Arguments arguments_of(const fs::path& path, std::string_view input) {
  opt::Arguments arguments;
  arguments.options.verify_each = true;
  if (!input.starts_with(kRun)) {
    arguments.passes = {path.parent_path().filename().string()};
    return arguments;
  }
  std::istringstream words{std::string(input.substr(kRun.size(), input.find('\n') - kRun.size()))};
  for (std::string option, value; words >> option >> value;) {
    if (option == "--pass") {
      std::istringstream list(value);
      for (std::string name; std::getline(list, name, ',');) arguments.passes.push_back(name);
    } else if (option == "--to") {
      arguments.to = value == "plan" ? opt::To::Plan : opt::To::Loops;
    } else if (option == "--target") {
      arguments.target = value;
    } else if (option == "--knobs") {
      arguments.knobs = value;
    } else {
      ADD_FAILURE() << "a RUN line knows no option " << option;
    }
  }
  return arguments;
}

std::string joined(const Diags& diags) {
  std::string text;
  for (const Diag& d : diags) text += std::string(code_name(d.code)) + ": " + d.message + '\n';
  return text;
}

class Golden : public testing::TestWithParam<fs::path> {};

TEST_P(Golden, Case) {
  const std::string text = read(GetParam());
  const size_t separator = std::min(text.find(std::string("\n") + std::string(kSeparator)), text.size() - 1) + 1;
  const std::string input = text.substr(0, separator);
  EXPECT_LE(std::ranges::count(input, '\n'), kMaxLines) << "the input is too long to show one thing";
  const Result<std::string> got = opt::run(input, arguments_of(GetParam(), input));
  ASSERT_TRUE(got) << joined(got.error());
  if (bless) {
    std::ofstream(GetParam(), std::ios::binary) << input << kSeparator << *got;
    return;
  }
  ASSERT_LT(separator, text.size()) << "no expected output: run test_golden --bless and read the diff";
  EXPECT_EQ(text.substr(separator + kSeparator.size()), *got);
}

std::string case_name(const testing::TestParamInfo<fs::path>& info) {
  std::string name = info.param.parent_path().filename().string() + "_" + info.param.stem().string();
  std::ranges::replace_if(name, [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Files, Golden, testing::ValuesIn(all_cases()), case_name);

TEST(GoldenFolders, EveryPassHasTwoCases) {
  auto expect_cases = [](std::string_view pass) {
    const std::vector<fs::path> cases = cases_in(fs::path(TENON_GOLDEN_DIR) / pass);
    EXPECT_GE(cases.size(), 2u) << "tests/golden/" << pass << " needs at least two cases";
    for (const fs::path& path : cases)
      EXPECT_EQ(std::ranges::count(arguments_of(path, read(path)).passes, pass), 1) << path << " does not run " << pass;
  };
  for (const GraphPass& pass : graph_passes()) expect_cases(pass.name);
  for (const LoopPass& pass : loop_passes()) expect_cases(pass.name);
}

// What cannot be run is said, with what to do.
TEST(TenonOpt, Refusals) {
  const std::string graph = "graph g {\n  input %x: f32[2]\n  output %x\n}\n";
  auto refused = [&](const std::string& text, opt::Arguments arguments) {
    const Result<std::string> got = opt::run(text, arguments);
    return got ? *got : joined(got.error());
  };
  EXPECT_EQ(refused(graph, {.passes = {"simplfy"}}), "E0601: no pass is named simplfy\n");
  EXPECT_EQ(refused(graph, {.passes = {"plan_memory", "simplify"}}), "E0601: simplify works on graphs: it cannot follow plan_memory\n");
  EXPECT_EQ(refused(graph, {.passes = {"plan_memory"}, .to = opt::To::Plan}), "E0601: a plan is made before plan_memory can run\n");
  EXPECT_EQ(refused("module m {\n  host {\n  }\n}\n", {.passes = {"simplify"}}), "E0601: the text is a module: graph passes and plans need a graph\n");
  EXPECT_EQ(refused(graph, {.to = opt::To::Loops, .knobs = "rows=x"}), "E0601: --knobs: `rows=x` is not understood\n");
  EXPECT_EQ(refused(graph, {.target = "z80"}).substr(0, 5), "E0401");
  EXPECT_EQ(refused("graph g {\n  output %y\n}\n", {}), "E0603: line 4, column 1: value %y is not defined\n");
}

}  // namespace
}  // namespace tenon

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int k = 1; k < argc; ++k) tenon::bless |= std::string_view(argv[k]) == "--bless";
  return RUN_ALL_TESTS();
}
