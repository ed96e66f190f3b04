// Text that a person edited wrongly: a graph or module that verifies, or a diagnostic, never a crash.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "tenon/loops.h"
#include "tenon/passes.h"
#include "tenon/ops.h"

namespace tenon::properties {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> tokens_of(const std::string& text) {
  std::vector<std::string> tokens;
  for (char c : text) {
    const bool word = std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '%';
    const bool joins = word && !tokens.empty() && (std::isalnum(static_cast<unsigned char>(tokens.back().back())) || tokens.back().back() == '_' || tokens.back().back() == '%');
    if (joins) tokens.back() += c;
    else tokens.emplace_back(1, c);
  }
  return tokens;
}

constexpr const char* kOdd[] = {"0", "-1", "9223372036854775807", "99999999999999999999", "_", "inf", "%nothing", "4611686018427387904"};

std::string joined(const std::vector<std::string>& tokens) {
  std::string text;
  for (const std::string& token : tokens) text += token;
  return text;
}

// One token dropped, doubled, replaced by another one of the text, or by an odd number.
std::string damaged(std::vector<std::string> tokens, std::mt19937& random) {
  const size_t at = random() % tokens.size();
  switch (random() % 4) {
    case 0: tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(at)); break;
    case 1: tokens.insert(tokens.begin() + static_cast<std::ptrdiff_t>(at), tokens[at]); break;
    case 2: tokens[at] = tokens[random() % tokens.size()]; break;
    default: tokens[at] = kOdd[random() % std::size(kOdd)]; break;
  }
  return joined(tokens);
}

void try_graph(const std::string& text) {
  auto graph = parse_graph(text);
  if (graph && verify_ops(*graph)) {
    auto passed = run_graph_passes(std::move(*graph), {.verify_each = true});
    EXPECT_TRUE(passed || passed.error()[0].code != Code::E0603) << passed.error()[0].message << "\n" << text;
  }
}

TEST(DamagedText, IsRefusedOrSound) {
  const char* given = std::getenv("TENON_DAMAGE_SEED");
  const unsigned seed = given ? static_cast<unsigned>(std::atoi(given)) : 1;
  for (const auto& entry : fs::recursive_directory_iterator(TENON_GOLDEN_DIR)) {
    const bool is_graph = entry.path().extension() == ".graph";
    if (!is_graph && entry.path().extension() != ".loops") continue;
    std::mt19937 random(seed);
    std::ifstream file(entry.path());
    std::string text{std::istreambuf_iterator<char>(file), {}};
    text.resize(std::min(text.size(), text.find("\n---\n") + 1));
    SCOPED_TRACE(entry.path());
    const std::vector<std::string> tokens = tokens_of(text);
    auto attempt = [&](const std::string& other) {
      if (is_graph) try_graph(other);
      else (void)parse_module(other);
    };
    for (int round = 0; round < 200; ++round) attempt(damaged(tokens, random));
    for (size_t at = 0; at < tokens.size(); ++at) {  // every name and number, by every odd one
      if (!std::isalnum(static_cast<unsigned char>(tokens[at][0]))) continue;
      for (const char* odd : kOdd) {
        std::vector<std::string> other = tokens;
        other[at] = odd;
        attempt(joined(other));
      }
    }
  }
}

}  // namespace
}  // namespace tenon::properties
