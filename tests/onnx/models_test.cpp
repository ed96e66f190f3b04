// Imports every model that Tenon must compile, from the data set beside the repository, and checks the graph
// after every pass; shapes are compared with those that ONNX's own inference finds. Weights of the zoo are not stored
// there: sparse files of the right size stand in.
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>
#include <onnx/shape_inference/implementation.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "tenon/frontend.h"
#include "tenon/passes.h"

namespace tenon {
namespace {

namespace fs = std::filesystem;

fs::path shared() {
  const char* set = std::getenv("TENON_SHARED");
  return set ? fs::path(set) : fs::path(TENON_SOURCE_DIR).parent_path() / "shared";
}

constexpr const char* kModels[] = {
    "ad_int8", "ic_f32", "ic_int8", "kws_int8", "vww_f32", "vww_int8", "magika_v3_3", "mnist", "ultraface_rfb_320",
    "resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0", "densenet121", "inception_v3",
    "squeezenet1_1", "shufflenet_v2_x1_0", "vgg16", "convnext_tiny", "vit_b_16", "swin_t", "unet_small",
    "unet_small_dynamo", "superres_x4", "yolov8n_like", "deeplabv3_mobilenet_v3_large", "bert_base",
    "bert_base_dynamo", "distilbert", "t5_small_encoder", "t5_small_decoder", "gpt2_small", "llama_135m",
    "llama_tiny", "llama_tiny_dynamo", "llama_tiny_opset23", "whisper_tiny_encoder", "whisper_tiny_decoder",
    "whisper_tiny_decoder_with_past", "wav2vec2_base", "resnet50_int8_qdq_u8s8", "resnet50_int8_qdq_s8s8",
    "mobilenet_v2_int8_qdq_u8s8", "mobilenet_v2_int8_qdq_s8s8"};

std::map<std::string, fs::path> find_models() {
  std::map<std::string, fs::path> found;
  if (!fs::exists(shared())) return found;
  for (const auto& entry : fs::recursive_directory_iterator(shared()))
    if (entry.path().extension() == ".onnx") found.emplace(entry.path().stem(), entry.path());
  return found;
}

// A copy of the model in `folder`, beside empty data files as long as the model needs them.
fs::path with_empty_weights(const fs::path& model, const fs::path& folder) {
  fs::create_directories(folder);
  fs::path copy = folder / model.filename();
  fs::copy_file(model, copy, fs::copy_options::overwrite_existing);
  onnx::ModelProto proto;
  std::ifstream in(model, std::ios::binary);
  proto.ParseFromIstream(&in);
  std::map<std::string, uintmax_t> sizes;
  for (const auto& tensor : proto.graph().initializer()) {
    std::map<std::string, std::string> entry;
    for (const auto& e : tensor.external_data()) entry[e.key()] = e.value();
    if (entry.empty()) continue;
    uintmax_t end = (entry.contains("offset") ? std::stoull(entry["offset"]) : 0) + std::stoull(entry["length"]);
    sizes[entry["location"]] = std::max(sizes[entry["location"]], end);
  }
  for (const auto& [location, size] : sizes) {
    std::ofstream(folder / location).close();
    fs::resize_file(folder / location, size);
  }
  return copy;
}

void report(const Result<Graph>& graph) {
  if (graph) return;
  for (const Diag& d : graph.error()) {
    std::string shapes;
    for (const std::string& s : d.shapes) shapes += "\n    " + s;
    ADD_FAILURE() << code_name(d.code) << " " << d.node.op << " '" << d.node.name << "': " << d.message << shapes;
  }
}

class Models : public testing::TestWithParam<const char*> {};

std::optional<fs::path> find_model(const std::string& name) {
  static const std::map<std::string, fs::path> models = find_models();
  auto model = models.find(name);
  return model == models.end() ? std::nullopt : std::optional(model->second);
}

Result<Graph> import_without_weights(const fs::path& model) {
  fs::path folder = fs::path(testing::TempDir()) / ("tenon_models_" + model.stem().string() + "_" + std::to_string(getpid()));
  auto graph = import_onnx(with_empty_weights(model, folder), {});
  fs::remove_all(folder);  // what is mapped stays
  return graph;
}

TEST_P(Models, ImportAndPass) {
  auto model = find_model(GetParam());
  if (!model && std::getenv("CI")) FAIL() << "no model " << GetParam() << " under " << shared();
  if (!model) GTEST_SKIP() << "no model " << GetParam() << " under " << shared();
  auto graph = import_without_weights(*model);
  report(graph);
  if (!graph) return;
  EXPECT_FALSE(graph->outputs.empty());
  report(run_graph_passes(std::move(*graph), {.verify_each = true}));
}

// Whatever ONNX knows of a value that kept its name: element type, rank, and extents.
TEST_P(Models, ShapesAreThoseOfOnnx) {
  auto model = find_model(GetParam());
  if (!model && std::getenv("CI")) FAIL() << "no model " << GetParam() << " under " << shared();
  if (!model) GTEST_SKIP() << "no model " << GetParam() << " under " << shared();
  onnx::ModelProto proto;
  std::ifstream in(*model, std::ios::binary);
  ASSERT_TRUE(proto.ParseFromIstream(&in));
  onnx::shape_inference::InferShapes(proto, onnx::OpSchemaRegistry::Instance(), 
                                     onnx::ShapeInferenceOptions(/*check_type*/ true, /*strict*/ 0, /*data*/ true));
  auto graph = import_without_weights(*model);
  report(graph);
  if (!graph) return;
  std::map<std::string, ValueId> named;
  for (size_t v = 0; v < graph->values.size(); ++v) named.emplace(graph->values[ValueId(v)].name, ValueId(v));
  int compared = 0;
  auto compare = [&](const onnx::ValueInfoProto& info) {
    auto it = named.find(info.name());
    if (it == named.end() || !info.type().tensor_type().has_shape()) return;
    const Value& ours = graph->values[it->second];
    const onnx::TypeProto_Tensor& theirs = info.type().tensor_type();
    SCOPED_TRACE(info.name() + " is " + type_text(*graph, it->second));
    EXPECT_EQ(tenon::info(ours.type).onnx, theirs.elem_type());
    ASSERT_EQ(static_cast<int>(ours.dims.size()), theirs.shape().dim_size());
    for (int d = 0; d < theirs.shape().dim_size(); ++d) {
      if (!theirs.shape().dim(d).has_dim_value()) continue;
      EXPECT_EQ(graph->pool.as_int(ours.dims[static_cast<size_t>(d)]), theirs.shape().dim(d).dim_value()) << "dim " << d;
      ++compared;
    }
  };
  for (const auto& value : proto.graph().value_info()) compare(value);
  for (const auto& output : proto.graph().output()) compare(output);
  EXPECT_GT(compared, 10);
}

INSTANTIATE_TEST_SUITE_P(List, Models, testing::ValuesIn(kModels), [](const auto& i) { return std::string(i.param); });

}  // namespace
}  // namespace tenon
