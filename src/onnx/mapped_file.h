// Read-only mappings of the model and its external data. Pages come and go with the page cache, so
// weights cost no anonymous memory.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "tenon/graph.h"

namespace tenon::frontend {

// The whole file; E0101 where it cannot be read.
Result<Bytes> map_file(const std::filesystem::path& path);

// External data of one model, each file mapped once.
class ExternalFiles {
 public:
  explicit ExternalFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // `location` as the model spells it. A model is untrusted: what lies outside its folder is E0104.
  Result<Bytes> open(const std::string& location);
  // Paths of what was opened, sorted.
  std::vector<std::string> opened() const;

 private:
  std::filesystem::path folder_;
  std::map<std::string, Bytes> mapped_ = {};
};

}  // namespace tenon::frontend
