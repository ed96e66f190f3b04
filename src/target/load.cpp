#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "internal.h"

namespace tenon {

namespace {

constexpr EmbeddedTarget kEmbedded[] = {
#include "targets.inc"
};

Result<Target> load_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf()))
    return fail({.code = Code::E0101, .message = "cannot read the target file", .file = path});
  auto target = parse_target(text.view(), path.stem());
  if (!target)
    for (Diag& diag : target.error()) diag.file = path;
  return target;
}

std::string listed() {
  std::string text;
  for (const std::string& name : target_names()) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

std::span<const EmbeddedTarget> embedded_targets() { return kEmbedded; }

Result<Target> load_target(const std::string& name) {
  if (name == "native") return native_target();
  if (name.ends_with(".toml")) return load_file(name);
  const auto* row = std::ranges::find(kEmbedded, name, &EmbeddedTarget::name);
  if (row != std::end(kEmbedded)) return parse_target(row->toml, name);
  return fail(Code::E0401, "there is no target `" + name + "`",
              "one of: " + listed() + "; or the path of a .toml file");
}

std::vector<std::string> target_names() {
  std::vector<std::string> names;
  for (const EmbeddedTarget& row : kEmbedded) names.emplace_back(row.name);
  std::ranges::sort(names);
  names.emplace_back("native");
  return names;
}

}  // namespace tenon
