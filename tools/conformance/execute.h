// One case, in this process: how it ended.
#pragma once

#include <string>

#include "suite.h"

namespace tenon::conformance {

struct Options {
  bool reference = false;  // import and evaluate only: no code is generated
  std::string target = "native";
  int level = 2;
  // More than 1: every kernel is split into as many tasks as it can be, runs on one thread and on so many of a pool, and
  // both must give the same bits.
  unsigned workers = 1;
  int timeout_s = 120;
};

enum class Status : uint8_t { Passed, Failed, Unsupported };

struct Outcome {
  Status status = Status::Failed;
  std::string code = {};  // of the diagnostic
  std::string op = {};    // ONNX operators: of the diagnostic, or all of the model
  std::string message = {};
  double seconds = 0;
};

// `scratch`: an empty folder of the case's own.
Outcome execute(const Case& test, const Options& options, const std::filesystem::path& scratch);

}  // namespace tenon::conformance
