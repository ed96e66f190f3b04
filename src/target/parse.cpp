// Strict reader of target files.
#include "internal.h"
#include "tenon/toml_section.h"

namespace tenon {

namespace {

// Calls fill(section) for the table at `key`, which must be there.
void in_table(TomlSection& parent, std::string_view key, TomlProblems& problems, auto fill) {
  const toml::node* node = parent.find(key);
  if (const toml::table* table = node ? node->as_table() : nullptr) {
    TomlSection section(*table, std::string(key) + ".", problems);
    fill(section);
  } else {
    parent.report(key, "must be a table", node ? node->source() : toml::source_region{});
  }
}

// An atom that the device lacks the feature for is left out.
void read_atom(const toml::table& table, std::span<const std::string> extra, TomlProblems& problems, Target& target) {
  TomlSection section(table, "atom.", problems);
  Atom atom;
  std::vector<DType> types;
  std::string feature;
  section.required("name", atom.name);
  section.required("types", types);
  section.required("lanes", atom.lanes);
  section.optional("k", atom.k);
  section.optional("intrinsic", atom.intrinsic);
  section.optional("rows", atom.rows);
  section.optional("gops", atom.gops);
  section.optional("requires", feature);
  if (types.size() != 3) return section.report("types", "must be [a, b, accumulator]", table.source());
  atom.a = types[0], atom.b = types[1], atom.acc = types[2];
  auto among = [&](std::span<const std::string> features) {
    return std::ranges::find(features, feature) != features.end();
  };
  if (feature.empty() || among(target.cpu_check) || among(extra)) target.atoms.push_back(std::move(atom));
}

void read_target(const toml::table& root, std::span<const std::string> extra, Target& target, TomlProblems& problems) {
  TomlSection top(root, "", problems);
  top.required("description", target.description);
  top.required("triple", target.triple);
  top.required("cpu", target.cpu);
  top.optional("features", target.features);
  top.optional("abi", target.abi);
  top.optional("freestanding", target.freestanding);
  top.required("check", target.cpu_check);
  top.optional("qemu", target.qemu);
  in_table(top, "vector", problems, [&](TomlSection& s) {
    s.required("bytes", target.vector_bytes);
    s.optional("unit_bytes", target.unit_bytes);
    s.required("registers", target.vector_registers);
    s.required("masked_memory", target.masked_memory);
  });
  const toml::node* node = top.find("atom");
  if (const toml::array* atoms = node ? node->as_array() : nullptr)
    for (const toml::node& atom : *atoms)
      if (const toml::table* table = atom.as_table()) read_atom(*table, extra, problems, target);
  if (target.atoms.empty())
    top.report("atom", "must have a table per instruction, best first", root.source());
  in_table(top, "cache", problems, [&](TomlSection& s) {
    s.required("l1d_bytes", target.l1d_bytes);
    s.required("l2_bytes", target.l2_bytes);
    s.required("l3_bytes", target.l3_bytes);
    s.required("line_bytes", target.line_bytes);
    s.optional("l1_ahead_bytes", target.l1_ahead_bytes);
    s.optional("results_ahead", target.results_ahead);
  });
  in_table(top, "rates", problems, [&](TomlSection& s) {
    s.required("gflops_f32", target.gflops_f32);
    s.required("gops_i8", target.gops_i8);
    s.required("l1_gb_per_s", target.l1_gb_per_s);
    s.required("l2_gb_per_s", target.l2_gb_per_s);
    s.required("l3_gb_per_s", target.l3_gb_per_s);
    s.required("dram_gb_per_s", target.dram_gb_per_s);
    s.required("fork_us", target.fork_us);
  });
  if (top.find("onednn"))
    in_table(top, "onednn", problems, [&](TomlSection& s) {
      for (const char* work : {"pointwise", "spatial", "stem", "grouped", "depthwise", "matmul", "gemv"})
        if (double ratio = 0; s.find(work)) s.required(work, ratio), target.onednn[work] = ratio;
    });
}

}  // namespace

Result<Target> parse_target_with(std::string_view toml, std::string name,
                                 std::span<const std::string> extra) {
  Target target{.name = name};
  TomlProblems problems{.code = Code::E0402, .files = "target files"};
  const toml::parse_result parsed = toml::parse(toml, name);
  if (parsed)
    read_target(parsed.table(), extra, target, problems);
  else
    problems.add(parsed.error().source(), std::string(parsed.error().description()));
  Diags& diags = problems.diags;
  if (diags.empty()) return target;
  for (Diag& diag : diags) diag.file = name, diag.hint = "docs/adding_a_target.md describes every key";
  return std::unexpected(std::move(diags));
}

Result<Target> parse_target(std::string_view toml, std::string name) {
  return parse_target_with(toml, std::move(name), {});
}

}  // namespace tenon
