#include "families.h"

#include "tenon/toml_section.h"

namespace tenon {

namespace {

struct Embedded {
  std::string_view stem, text;
};
constexpr Embedded kFiles[] = {
#include "families.inc"
};

std::vector<Family> read() {
  const toml::parse_result parsed = toml::parse(kFiles[0].text);
  TENON_CHECK(parsed, "families.toml");
  TomlProblems problems{.code = Code::E0703, .files = "families.toml"};
  std::vector<Family> all;
  const toml::table* table = parsed.table()["families"].as_table();
  TENON_CHECK(table, "families.toml has its table");
  {
    TomlSection section(*table, "families.", problems);
    for (const auto& [name, node] : *table) section.required(name.str(), all.emplace_back(Family{.name = std::string(name.str()), .beginnings = {}}).beginnings);
  }
  TENON_CHECK(problems.diags.empty(), "families.toml");
  return all;
}

}  // namespace

const std::vector<Family>& families() {
  static const std::vector<Family> all = read();
  return all;
}

std::string family_of(const std::string& model) {
  std::string found;
  size_t longest = 0;
  for (const Family& family : families())
    for (const std::string& beginning : family.beginnings)
      if (model.starts_with(beginning) && beginning.size() > longest) longest = beginning.size(), found = family.name;
  return found;
}

}  // namespace tenon
