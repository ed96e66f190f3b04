// Strict reader of target files: a key that is unknown, missing or of the wrong type is an error, and
// all errors of a file are reported together.
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <algorithm>
#include <string>

#include "internal.h"

namespace tenon {

namespace {

std::string line(const toml::source_region& where) {
  return "line " + std::to_string(where.begin.line) + ": ";
}

// Reads the keys of one table and remembers which it was asked for.
class Section {
 public:
  Section(const toml::table& table, std::string path, Diags& diags)
      : table_(table), path_(std::move(path)), diags_(diags) {}

  ~Section() {
    for (const auto& [key, node] : table_)
      if (std::ranges::find(asked_, key.str()) == asked_.end())
        report(key.str(), "is not a key of target files", node.source());
  }

  template <class T>
  void required(std::string_view key, T& out) {
    if (!read(key, out)) report(key, "is missing", table_.source());
  }
  template <class T>
  void optional(std::string_view key, T& out) {
    read(key, out);
  }

  const toml::node* find(std::string_view key) {
    asked_.emplace_back(key);
    return table_.get(key);
  }

  void report(std::string_view key, std::string_view problem, const toml::source_region& where) {
    diags_.push_back({.code = Code::E0402,
                      .message = line(where) + '`' + path_ + std::string(key) + "` " + std::string(problem)});
  }

 private:
  template <class T>
  bool read(std::string_view key, T& out) {
    const toml::node* node = find(key);
    if (!node) return false;
    if (!convert(*node, out)) report(key, "has the wrong type", node->source());
    return true;
  }

  static bool convert(const toml::node& node, std::string& out) {
    return assign(node.value_exact<std::string>(), out);
  }
  static bool convert(const toml::node& node, bool& out) { return assign(node.value_exact<bool>(), out); }
  static bool convert(const toml::node& node, int64_t& out) {
    return assign(node.value_exact<int64_t>(), out) && out >= 0;
  }
  static bool convert(const toml::node& node, int& out) {
    const auto value = node.value_exact<int64_t>();
    return value && *value > 0 && *value <= 65536 && assign(value, out);
  }
  static bool convert(const toml::node& node, double& out) {
    return node.is_number() && assign(node.value<double>(), out) && out >= 0;
  }
  static bool convert(const toml::node& node, DType& out) {
    const auto text = node.value_exact<std::string>();
    return text && assign(parse_dtype(*text), out);
  }
  template <class T>
  static bool convert(const toml::node& node, std::vector<T>& out) {
    const toml::array* array = node.as_array();
    if (!array) return false;
    for (const toml::node& item : *array)
      if (!convert(item, out.emplace_back())) return false;
    return true;
  }
  template <class From, class To>
  static bool assign(const std::optional<From>& from, To& to) {
    if (from) to = static_cast<To>(*from);
    return from.has_value();
  }

  const toml::table& table_;
  std::string path_;
  Diags& diags_;
  std::vector<std::string> asked_;
};

// Calls fill(section) for the table at `key`, which must be there.
void in_table(Section& parent, std::string_view key, Diags& diags, auto fill) {
  const toml::node* node = parent.find(key);
  if (const toml::table* table = node ? node->as_table() : nullptr) {
    Section section(*table, std::string(key) + ".", diags);
    fill(section);
  } else {
    parent.report(key, "must be a table", node ? node->source() : toml::source_region{});
  }
}

// An atom that the device lacks the feature for is left out.
void read_atom(const toml::table& table, std::span<const std::string> extra, Diags& diags, Target& target) {
  Section section(table, "atom.", diags);
  Atom atom;
  std::vector<DType> types;
  std::string feature;
  section.required("name", atom.name);
  section.required("types", types);
  section.required("lanes", atom.lanes);
  section.optional("k", atom.k);
  section.optional("intrinsic", atom.intrinsic);
  section.optional("requires", feature);
  if (types.size() != 3) return section.report("types", "must be [a, b, accumulator]", table.source());
  atom.a = types[0], atom.b = types[1], atom.acc = types[2];
  auto among = [&](std::span<const std::string> features) {
    return std::ranges::find(features, feature) != features.end();
  };
  if (feature.empty() || among(target.cpu_check) || among(extra)) target.atoms.push_back(std::move(atom));
}

void read_target(const toml::table& root, std::span<const std::string> extra, Target& target, Diags& diags) {
  Section top(root, "", diags);
  top.required("description", target.description);
  top.required("triple", target.triple);
  top.required("cpu", target.cpu);
  top.optional("features", target.features);
  top.optional("abi", target.abi);
  top.optional("freestanding", target.freestanding);
  top.required("check", target.cpu_check);
  top.optional("qemu", target.qemu);
  in_table(top, "vector", diags, [&](Section& s) {
    s.required("bytes", target.vector_bytes);
    s.required("registers", target.vector_registers);
    s.required("masked_memory", target.masked_memory);
  });
  const toml::node* node = top.find("atom");
  if (const toml::array* atoms = node ? node->as_array() : nullptr)
    for (const toml::node& atom : *atoms)
      if (const toml::table* table = atom.as_table()) read_atom(*table, extra, diags, target);
  if (target.atoms.empty())
    top.report("atom", "must have a table per instruction, best first", root.source());
  in_table(top, "cache", diags, [&](Section& s) {
    s.required("l1d_bytes", target.l1d_bytes);
    s.required("l2_bytes", target.l2_bytes);
    s.required("l3_bytes", target.l3_bytes);
    s.required("line_bytes", target.line_bytes);
  });
  in_table(top, "rates", diags, [&](Section& s) {
    s.required("gflops_f32", target.gflops_f32);
    s.required("gops_i8", target.gops_i8);
    s.required("l1_gb_per_s", target.l1_gb_per_s);
    s.required("l2_gb_per_s", target.l2_gb_per_s);
    s.required("l3_gb_per_s", target.l3_gb_per_s);
    s.required("dram_gb_per_s", target.dram_gb_per_s);
    s.required("fork_us", target.fork_us);
  });
}

}  // namespace

Result<Target> parse_target_with(std::string_view toml, std::string name,
                                 std::span<const std::string> extra) {
  Target target{.name = name};
  Diags diags;
  const toml::parse_result parsed = toml::parse(toml, name);
  if (parsed) {
    read_target(parsed.table(), extra, target, diags);
  } else {
    const toml::parse_error& error = parsed.error();
    diags = {{.code = Code::E0402, .message = line(error.source()) + std::string(error.description())}};
  }
  if (diags.empty()) return target;
  for (Diag& diag : diags) diag.file = name, diag.hint = "docs/adding_a_target.md describes every key";
  return std::unexpected(std::move(diags));
}

Result<Target> parse_target(std::string_view toml, std::string name) {
  return parse_target_with(toml, std::move(name), {});
}

}  // namespace tenon
