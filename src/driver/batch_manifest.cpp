// tenon.toml: docs/manifest.md. All problems of the file in one go.
#include <filesystem>
#include <map>
#include <set>

#include "files.h"
#include "signature.h"
#include "tenon/toml_section.h"

namespace tenon {

namespace {

namespace fs = std::filesystem;

class Reader {
 public:
  Reader(const fs::path& manifest, const CompileOptions& base, TomlProblems& problems)
      : folder_(manifest.parent_path()), base_(base), problems_(problems) {}

  std::vector<CompileOptions> read(const toml::table& root) {
    TomlSection top(root, "", problems_);
    std::string output = "out";
    top.optional("output", output);
    base_.output = base_.output.empty() ? beside(output) : base_.output;
    base_.folder_per_target = true;
    if (const toml::node* node = top.find("defaults")) {
      if (const toml::table* table = node->as_table()) {
        TomlSection section(*table, "defaults.", problems_);
        read_choices(section, base_);
      } else {
        top.report("defaults", "must be a table", node->source());
      }
    }
    std::vector<CompileOptions> models;
    const toml::node* node = top.find("model");
    const toml::array* entries = node ? node->as_array() : nullptr;
    if (!entries || entries->empty()) {
      top.report("model", "must be an array of tables, [[model]], one per model", node ? node->source() : root.source());
      return models;
    }
    for (const toml::node& entry : *entries)
      if (const toml::table* table = entry.as_table()) models.push_back(read_model(*table));
      else top.report("model", "must be an array of tables, [[model]]", entry.source());
    return models;
  }

 private:
  // Paths are relative to the manifest.
  std::string beside(const std::string& path) const { return (folder_ / path).lexically_normal().string(); }

  CompileOptions read_model(const toml::table& table) {
    CompileOptions options = base_;
    TomlSection section(table, "model.", problems_);
    section.required("file", options.model);
    options.model = beside(options.model);
    section.optional("name", options.name);
    if (options.name.empty()) options.name = c_identifier(fs::path(options.model).stem().string());
    if (!is_c_identifier(options.name)) section.report("name", "is not a C identifier: " + options.name, table.source());
    if (!names_.insert(options.name).second)
      section.report("name", "is taken by another model: " + options.name, table.source());
    options.output = (fs::path(base_.output) / options.name).string();
    if (section.optional("schedule", options.schedule)) options.schedule = beside(options.schedule);
    section.optional("states", options.states);
    read_points(section, options);
    read_choices(section, options);
    if (options.targets.empty() && options.cpu_dispatch.empty()) options.targets = {default_target()};
    read_dims(section, options.import);
    read_shapes(section, options.import);
    return options;
  }

  static void read_points(TomlSection& section, CompileOptions& options) {
    std::string points;
    if (!section.optional("tune_at", points)) return;
    if (auto parsed = parse_points(points); parsed) options.tune_at = std::move(*parsed);
    else section.report("tune_at", "is not understood: " + points + "; " + parsed.error()[0].hint, section.find("tune_at")->source());
  }

  // What [defaults] may hold as well.
  void read_choices(TomlSection& section, CompileOptions& options) {
    read_targets(section, options);
    read_levels(section, options);
    std::vector<std::string> emit;
    if (section.optional("emit", emit)) {
      std::string list;
      for (const std::string& item : emit) list += (list.empty() ? "" : ",") + item;
      if (auto parsed = parse_emit(list); parsed) options.emit = *parsed;
      else section.report("emit", "has an unknown word; " + parsed.error()[0].hint, section.find("emit")->source());
    }
    read_word(section, "weights", parse_weights, "embed or file", options.weights);
    read_word(section, "threads", parse_threads, "none, callback or pool", options.threads);
    read_word(section, "precision", parse_precision, "strict, fast, bf16 or fp16", options.precision);
    read_word(section, "providers", parse_providers, "none, onednn or onednn-everywhere", options.providers);
    section.optional("policy", options.policy);
    int64_t level = options.level;
    if (section.optional("level", level) && level > 3)
      section.report("level", "must be 0 to 3", section.find("level")->source());
    options.level = static_cast<int>(level);
  }

  template <class T>
  static void read_word(TomlSection& section, std::string_view key, std::optional<T> (*parse)(std::string_view),
                        const std::string& choices, T& out) {
    std::string word;
    if (!section.optional(key, word)) return;
    if (const std::optional<T> value = parse(word)) out = *value;
    else section.report(key, "must be " + choices, section.find(key)->source());
  }

  void read_targets(TomlSection& section, CompileOptions& options) {
    std::vector<std::string> targets;
    if (!section.optional("targets", targets)) return;
    std::set<std::string> seen;
    const toml::source_region where = section.find("targets")->source();
    for (std::string& target : targets) {
      if (target.ends_with(".toml")) target = beside(target);
      if (const Result<Target> loaded = load_target(target); !loaded)
        for (const Diag& diag : loaded.error()) section.report("targets", "has `" + target + "`: " + diag.message, where);
      else if (!seen.insert(loaded->name).second)
        section.report("targets", "has `" + target + "` twice", where);
    }
    if (targets.empty()) section.report("targets", "must not be empty", where);
    options.targets = std::move(targets);
    options.cpu_dispatch.clear();
  }

  void read_levels(TomlSection& section, CompileOptions& options) {
    std::vector<std::string> levels;
    if (!section.optional("cpu_dispatch", levels)) return;
    if (section.find("targets")) section.report("cpu_dispatch", "does not go with targets", section.find("cpu_dispatch")->source());
    for (std::string& level : levels) {
      if (level.ends_with(".toml")) level = beside(level);
      if (const Result<Target> loaded = load_target(full_target_name(level)); !loaded)
        for (const Diag& diag : loaded.error())
          section.report("cpu_dispatch", "has `" + level + "`: " + diag.message, section.find("cpu_dispatch")->source());
    }
    options.cpu_dispatch = std::move(levels);
    options.targets.clear();
  }

  // { N = 1, S = "1..128" }
  void read_dims(TomlSection& section, ImportOptions& import) {
    const toml::node* node = section.find("dims");
    if (!node) return;
    const toml::table* table = node->as_table();
    if (!table) return section.report("dims", "must be a table, { N = 1, S = \"1..128\" }", node->source());
    for (const auto& [symbol, value] : *table) {
      const auto number = value.value_exact<int64_t>();
      const auto range = number ? parse_range(std::to_string(*number)) : parse_range(value.value_or(std::string()));
      if (range) import.dims[std::string(symbol.str())] = *range;
      else section.report("dims." + std::string(symbol.str()), "must be a number, or a range as in \"1..8\"", value.source());
    }
  }

  // { image = [1, 3, "H", "W"] }
  void read_shapes(TomlSection& section, ImportOptions& import) {
    const toml::node* node = section.find("shapes");
    if (!node) return;
    const toml::table* table = node->as_table();
    if (!table) return section.report("shapes", "must be a table, { image = [1, 3, \"H\", \"W\"] }", node->source());
    for (const auto& [input, value] : *table) {
      std::vector<std::string>& dims = import.shapes[std::string(input.str())];
      const toml::array* array = value.as_array();
      bool good = array != nullptr;
      for (size_t k = 0; good && k < array->size(); ++k) {
        const auto number = (*array)[k].value_exact<int64_t>();
        const auto symbol = (*array)[k].value_exact<std::string>();
        good = (number && *number >= 0) || (symbol && !symbol->empty());
        if (good) dims.push_back(number ? std::to_string(*number) : *symbol);
      }
      if (!good)
        section.report("shapes." + std::string(input.str()), "must be an array of numbers and symbols", value.source());
    }
  }

  fs::path folder_;
  CompileOptions base_;
  TomlProblems& problems_;
  std::set<std::string> names_;
};

}  // namespace

Result<std::vector<CompileOptions>> read_batch(const std::string& manifest, const CompileOptions& base) {
  TENON_TRY(const std::string text, read_file(manifest));
  TomlProblems problems{.code = Code::E0604, .files = "tenon.toml"};
  std::vector<CompileOptions> models;
  const toml::parse_result parsed = toml::parse(text, manifest);
  if (parsed) models = Reader(manifest, base, problems).read(parsed.table());
  else problems.add(parsed.error().source(), std::string(parsed.error().description()));
  if (problems.diags.empty()) return models;
  for (Diag& diag : problems.diags) diag.file = manifest, diag.hint = "docs/manifest.md describes every key";
  return std::unexpected(std::move(problems.diags));
}

}  // namespace tenon
