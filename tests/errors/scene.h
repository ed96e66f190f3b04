// A folder with models in it, and the program run on them: what a user sees of an error.
#pragma once

#include <onnx/onnx_pb.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tenon::errors {

namespace fs = std::filesystem;

struct Seen {
  int exit_code = 0;                        // as the shell counts: 128 + signal
  std::vector<nlohmann::json> diagnostics;  // the records of --message-format json
  std::string text;                         // all of the output
};

class Scene {
 public:
  Scene();
  ~Scene();
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  const fs::path& folder() const { return folder_; }
  fs::path path(const std::string& name) const { return folder_ / name; }
  void write(const std::string& name, const std::string& bytes) const;
  // A model in ONNX's text syntax: the graph, or all of it where the text starts with `<`.
  static onnx::ModelProto parse(const std::string& text, int opset = 17);
  void model(const std::string& text, int opset = 17, const std::string& name = "m.onnx") const;
  void model(const onnx::ModelProto& proto, const std::string& name = "m.onnx") const;

  // `tenon WORDS` in the folder; `before` is put in front of the command line.
  Seen tenon(const std::string& words, const std::string& before = "") const;
  Seen json(const std::string& words, const std::string& before = "") const { return tenon(words + " --message-format json", before); }

 private:
  fs::path folder_;
};

// An initialiser `w` of four floats with external data.
onnx::ModelProto external_model(const std::string& location, const std::string& length = "16");

}  // namespace tenon::errors
