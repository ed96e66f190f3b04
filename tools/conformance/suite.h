// ONNX's backend tests as folders: <suite>/test_*/{model.onnx, test_data_set_N/*.pb}, and the light
// models, <suite>/light_*.onnx beside *_output_N.pb, whose input is a ramp.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tenon/result.h"

namespace tenon::conformance {

struct DataSet {
  std::filesystem::path inputs;                // folder of input_N.pb; empty: ramps
  std::vector<std::filesystem::path> outputs;  // in order
};

struct Case {
  std::string name;  // "node/test_abs"
  std::filesystem::path model;
  std::vector<DataSet> data;
  double rtol = 1e-3, atol = 1e-7;  // of ONNX's own runner
};

// `source`: a folder, an archive that tar unpacks into `cache` once, or a folder that holds one archive.
Result<std::vector<Case>> find_cases(const std::filesystem::path& source, const std::filesystem::path& cache);

std::vector<std::filesystem::path> numbered(const std::filesystem::path& folder, const std::string& prefix);

}  // namespace tenon::conformance
