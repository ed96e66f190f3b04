#include "import.h"

#include <nlohmann/json.hpp>

namespace tenon {

namespace {

using Json = nlohmann::json;

// Breadth first, so that children lie behind their parents.
void add_tree(const Json& tree, Booster& booster) {
  const Json &left = tree.at("left_children"), &right = tree.at("right_children"), &feature = tree.at("split_indices"), &value = tree.at("split_conditions"),
             &missing = tree.at("default_left"), &cover = tree.at("sum_hessian");
  const auto root = static_cast<int32_t>(booster.nodes.size());
  booster.roots.push_back(root);
  std::vector<int> open = {0};
  booster.nodes.emplace_back();
  for (size_t k = 0; k < open.size(); ++k) {
    const auto n = static_cast<size_t>(open[k]);
    TreeNode node{.value = value.at(n).get<float>(), .cover = cover.at(n).get<float>()};
    if (left.at(n).get<int>() >= 0) {
      node.feature = feature.at(n).get<int>();
      node.left = static_cast<int32_t>(booster.nodes.size());
      node.right = node.left + 1;
      node.missing_left = missing.at(n).is_boolean() ? missing.at(n).get<bool>() : missing.at(n).get<int>() != 0;
      open.push_back(left.at(n)), open.push_back(right.at(n));
      booster.nodes.emplace_back(), booster.nodes.emplace_back();
    }
    booster.nodes[static_cast<size_t>(root) + k] = node;
  }
}

}  // namespace

Booster booster_of_json(std::string_view json, int trees) {
  Booster booster;
  const Json model = Json::parse(json);
  const Json& all = model.at("learner").at("gradient_booster").at("model").at("trees");
  for (int t = 0; t < trees; ++t) add_tree(all.at(static_cast<size_t>(t)), booster);
  return booster;
}

}  // namespace tenon
