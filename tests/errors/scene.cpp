#include "scene.h"

#include <gtest/gtest.h>
#include <onnx/defs/parser.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <fstream>
#include <sstream>

namespace tenon::errors {

Scene::Scene() {
  std::string name = (fs::temp_directory_path() / "tenon_errors_XXXXXX").string();
  EXPECT_NE(mkdtemp(name.data()), nullptr);
  folder_ = fs::canonical(name);
}

Scene::~Scene() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void Scene::write(const std::string& name, const std::string& bytes) const {
  fs::create_directories(path(name).parent_path());
  std::ofstream(path(name), std::ios::binary) << bytes;
}

onnx::ModelProto Scene::parse(const std::string& text, int opset) {
  onnx::ModelProto proto;
  std::string whole = text;
  if (!text.starts_with('<')) whole = "<ir_version: 8, opset_import: [\"\" : " + std::to_string(opset) + "]>\n" + text;
  const auto status = onnx::OnnxParser::Parse(proto, whole.c_str());
  EXPECT_TRUE(status.IsOK()) << status.ErrorMessage();
  return proto;
}

void Scene::model(const std::string& text, int opset, const std::string& name) const { model(parse(text, opset), name); }
void Scene::model(const onnx::ModelProto& proto, const std::string& name) const { write(name, proto.SerializeAsString()); }

Seen Scene::tenon(const std::string& words, const std::string& before) const {
  const std::string command = "cd '" + folder_.string() + "' && " + before + " '" TENON_PROGRAM "' " + words + " 2>&1";
  Seen seen;
  FILE* pipe = popen(command.c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  char buffer[4096];
  for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) seen.text.append(buffer, n);
  const int status = pclose(pipe);
  seen.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  std::istringstream lines(seen.text);
  for (std::string line; std::getline(lines, line);) {
    auto record = nlohmann::json::parse(line, nullptr, false);
    if (record.is_object() && record.contains("code")) seen.diagnostics.push_back(std::move(record));
  }
  return seen;
}

onnx::ModelProto external_model(const std::string& location, const std::string& length) {
  onnx::ModelProto model = Scene::parse("g (float[4] x) => (float[4] y) { y = Add(x, w) }");
  auto* w = model.mutable_graph()->add_initializer();
  w->set_name("w");
  w->set_data_type(onnx::TensorProto::FLOAT);
  w->add_dims(4);
  w->set_data_location(onnx::TensorProto::EXTERNAL);
  for (const auto& [key, value] : {std::pair{"location", location}, {"length", length}}) {
    auto* entry = w->add_external_data();
    entry->set_key(key);
    entry->set_value(value);
  }
  return model;
}

}  // namespace tenon::errors
