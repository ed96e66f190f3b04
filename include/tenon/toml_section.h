// Strict reading of TOML tables: a key that is unknown, missing or of the wrong type is an error, and all
// errors of a file are reported together. toml++ costs seconds per file that includes it: readers of files
// only.
#pragma once

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <algorithm>
#include <string>

#include "tenon/dtype.h"
#include "tenon/result.h"

namespace tenon {

// What problems of one kind of file are called, and where they go.
struct TomlProblems {
  Code code{};
  std::string_view files;  // "target files"
  Diags diags = {};

  void add(const toml::source_region& where, const std::string& message) {
    diags.push_back({.code = code, .message = "line " + std::to_string(where.begin.line) + ": " + message});
  }
};

// Reads the keys of one table and remembers which it was asked for.
class TomlSection {
 public:
  TomlSection(const toml::table& table, std::string path, TomlProblems& problems)
      : table_(table), path_(std::move(path)), problems_(problems) {}

  ~TomlSection() {
    for (const auto& [key, node] : table_)
      if (std::ranges::find(asked_, key.str()) == asked_.end())
        report(key.str(), "is not a key of " + std::string(problems_.files), node.source());
  }

  template <class T>
  void required(std::string_view key, T& out) {
    if (!read(key, out)) report(key, "is missing", table_.source());
  }
  // Whether the key is there.
  template <class T>
  bool optional(std::string_view key, T& out) {
    return read(key, out);
  }

  const toml::node* find(std::string_view key) {
    asked_.emplace_back(key);
    return table_.get(key);
  }
  const toml::source_region& source() const { return table_.source(); }

  void report(std::string_view key, std::string_view problem, const toml::source_region& where) {
    problems_.add(where, '`' + path_ + std::string(key) + "` " + std::string(problem));
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
  TomlProblems& problems_;
  std::vector<std::string> asked_;
};

}  // namespace tenon
