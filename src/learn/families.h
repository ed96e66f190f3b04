// Which models are alike: cost_model/families.toml.
#pragma once

#include <string>
#include <vector>

namespace tenon {

struct Family {
  std::string name;
  std::vector<std::string> beginnings;  // of names of models
};
// In the order of the file.
const std::vector<Family>& families();
// Empty: no family has it.
std::string family_of(const std::string& model);

}  // namespace tenon
