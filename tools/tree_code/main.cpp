// Boosters as native code, for a program that links them: a step of the build.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tenon/backend.h"
#include "tenon/tree_code.h"
#include "tenon/tree_scorer.h"

namespace {

using namespace tenon;
namespace fs = std::filesystem;

constexpr const char* kUsage = R"(tenon-tree-code FOLDER FUNCTION [--all] [MODEL...]

Writes FOLDER/FUNCTION.cpp, which defines std::span<const tenon::NativeTrees> tenon::FUNCTION(), and FOLDER/FUNCTION.a, the code that it
names, of the cost models' drafts, which rank many schedules; --all: of all boosters that schedules are
ranked by and whose size allows it. Without a model the span is empty.

    tenon-tree-code build/trees shipped_trees model.tcm
)";

// Candidates that go through the code at a time. Twice a register of AVX2 and of SSE: constants are loaded once for both.
constexpr std::array<int64_t, kTreeLevels.size()> kLanes = {8, 16, 16};

// Calls of the code in the terms of NativeTrees.
constexpr const char* kHead = R"(#include "tenon/tree_scorer.h"

#include "runtime/tenon_abi.h"

namespace tenon {
namespace {

template <int32_t (*Host)(const tn_call*)>
[[maybe_unused]] void run(int64_t blocks, const float* x, const float* margins, float* sums) {
  const void* const inputs[] = {x, margins};
  void* const outputs[] = {sums};
  const tn_call call{inputs, outputs, nullptr, nullptr, &blocks, nullptr, nullptr};
  Host(&call);
}

}  // namespace
)";

Result<void> write(const fs::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return file.flush() ? Result<void>() : fail(Code::E0505, path.string() + " cannot be written");
}

struct Table {
  std::string declarations, rows;
  std::vector<fs::path> objects;
};

Result<void> add(const Booster& booster, size_t features, const fs::path& folder, Table& table) {
  const std::string hash = tree_hash(booster, features);
  if (table.rows.contains(hash)) return {};
  table.rows += "    {\"" + hash + "\", {";
  for (size_t level = 0; level < kTreeLevels.size(); ++level) {
    TENON_TRY(Target target, load_target(std::string(kTreeLevels[level])));
    target.vector_bytes = static_cast<int>(kLanes[level] * static_cast<int64_t>(sizeof(float)));
    const std::string name = "tenon_trees_" + hash.substr(0, 16) + "_" + std::to_string(level);
    const Module module = tree_module(name, booster, features, kLanes[level]);
    TENON_DO(verify(module));
    TENON_TRY(const CodeResult code, generate_code(module, target, {}));
    for (const ObjectFile& object : code.objects) {
      table.objects.push_back(folder / (name + object.name));
      TENON_DO(write(table.objects.back(), std::string_view(object.bytes.data(), object.bytes.size())));
    }
    table.declarations += "extern \"C\" int32_t " + name + "_host(const tn_call*);\n";
    table.rows += (level ? ", run<" : "run<") + name + "_host>";
  }
  table.rows += "}},\n";
  return {};
}

Result<void> run(const fs::path& folder, const std::string& function, std::span<char*> models, bool all) {
  const fs::path pieces = folder / (function + "_pieces");
  fs::create_directories(pieces);
  Table table;
  for (const char* path : models) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return fail(Code::E0703, std::string("cannot read ") + path);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    TENON_TRY(const CostModel model, parse_cost_model(text));
    const bool order = !model.order.empty();
    const size_t features = order ? order_width(model.names.size()) : model.names.size();
    TENON_DO(add(draft_booster(model), features, pieces, table));
    if (!all) continue;
    const std::vector<Booster>& boosters = order ? model.order : model.boosters;
    for (size_t b = 0; b < boosters.size(); ++b) {
      if (fits_code(boosters[b])) TENON_DO(add(boosters[b], features, pieces, table));
      else std::fprintf(stderr, "%s: booster %zu is too large for code: %zu nodes of at most %zu, %zu levels\n", path, b, boosters[b].nodes.size(), kMostTreeNodes, kMostTreeDepth);
    }
  }
  std::string text = kHead;
  text.insert(text.find("\nnamespace tenon {"), "\n" + table.declarations);
  text += "\nstd::span<const NativeTrees> " + function + "() {\n";
  if (table.rows.empty()) text += "  return {};\n";
  else text += "  static constexpr NativeTrees kAll[] = {\n" + table.rows + "  };\n  return kAll;\n";
  TENON_DO(write(folder / (function + ".cpp"), text + "}\n\n}  // namespace tenon\n"));
  TENON_DO(write_archive(folder / (function + ".a"), table.objects));
  fs::remove_all(pieces);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::fputs(kUsage, stderr), 2;
  const bool all = argc > 3 && std::string_view(argv[3]) == "--all";
  if (auto done = run(argv[1], argv[2], std::span(argv + (all ? 4 : 3), argv + argc), all); !done) {
    for (const tenon::Diag& d : done.error()) std::fprintf(stderr, "tenon-tree-code: %s\n", d.message.c_str());
    return 1;
  }
  return 0;
}
