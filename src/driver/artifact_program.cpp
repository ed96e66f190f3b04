// A freestanding program NAME, run as a process: natively or under QEMU.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "artifact.h"
#include "files.h"
#include "scratch_folder.h"
#include "signature.h"

extern char** environ;

namespace tenon {

namespace {

namespace fs = std::filesystem;

// What the command prints; its error text is the diagnostic where it fails.
Result<std::string> output_of(const std::vector<std::string>& command) {
  ScratchFolder folder;
  const std::string out = (folder.path() / "out").string(), err = (folder.path() / "err").string();
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT, 0600);
  pid_t child = 0;
  const int error = posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT) return fail(Code::E0506, command[0] + " is not installed", "install the package qemu-user");
  if (error != 0) return fail(Code::E0501, command[0] + " cannot be started");
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) {
    std::string text = read_file(err).value_or("");
    while (text.ends_with('\n')) text.pop_back();
    return fail(Code::E0503, text.empty() ? "the program ended with wait status " + std::to_string(status) : text);
  }
  return read_file(out);
}

class Program : public Artifact {
 public:
  Result<void> open(const std::string& path, const std::vector<std::string>& emulator, const std::string& wanted) {
    command_ = emulator;
    command_.push_back(fs::absolute(path).string());
    auto ask = command_;
    ask.push_back("--describe");
    TENON_TRY(const std::string described, output_of(ask));
    TENON_TRY(signature_, parse_signature(described));
    if (!signature_.states.empty()) return fail(Code::E0501, "a program keeps no states", "compile without --state, or to a library");
    const std::string weights = command_.back() + ".weights";
    if (fs::exists(weights)) command_.insert(command_.end(), {"--weights", weights});
    level = wanted;
    if (!wanted.empty()) command_.insert(command_.end(), {"--level", wanted});
    return {};
  }

  Result<std::vector<Tensor>> run(const std::vector<Tensor>& inputs, const Dims& dims, unsigned) override {
    if (guarded) return fail(Code::E0601, "only a library can be guarded", "compile for this machine with --emit so");
    ScratchFolder folder;
    TENON_TRY(std::vector<std::string> command, command_for(inputs, dims, folder.path()));
    command.insert(command.end(), {"--output", folder.path().string()});
    TENON_DO(output_of(command));
    std::vector<Tensor> outputs;
    for (const PortInfo& port : signature_.outputs) {
      std::string file = port.name;
      std::ranges::replace(file, '/', '_');
      TENON_TRY(Tensor output, read_npy((folder.path() / (file + ".npy")).string()));
      outputs.push_back(std::move(output));
    }
    return outputs;
  }

  Result<std::vector<CallTimes>> time(const std::vector<Tensor>& inputs, const Dims& dims, unsigned, int runs,
                                      bool) override {
    ScratchFolder folder;
    TENON_TRY(std::vector<std::string> command, command_for(inputs, dims, folder.path()));
    command.insert(command.end(), {"--bench", std::to_string(runs > 0 ? runs : 5)});
    TENON_TRY(const std::string text, output_of(command));
    auto json = nlohmann::json::parse(text, nullptr, false);
    if (!json.is_object()) return fail(Code::E0503, "the program's report is malformed");
    // The program keeps what the report needs, not every run.
    std::vector<CallTimes> times;
    for (const char* key : {"min_ms", "p10_ms", "median_ms", "p90_ms"}) times.push_back({json.value(key, 0.0), {}});
    times.insert(times.begin() + 2, times[2]);
    return times;
  }

 private:
  Result<std::vector<std::string>> command_for(const std::vector<Tensor>& inputs, const Dims& dims,
                                               const fs::path& folder) const {
    std::vector<std::string> command = command_;
    for (size_t k = 0; k < inputs.size(); ++k) {
      const std::string file = (folder / ("input" + std::to_string(k) + ".npy")).string();
      TENON_DO(write_npy(file, inputs[k]));
      command.insert(command.end(), {"--input", signature_.inputs[k].name + "=" + file});
    }
    for (const SymbolInfo& symbol : signature_.symbols)
      command.insert(command.end(), {"--dim", symbol.name + "=" + std::to_string(dims.at(symbol.name))});
    return command;
  }

  std::vector<std::string> command_;
};

}  // namespace

Result<std::unique_ptr<Artifact>> open_program(const std::string& path, const std::vector<std::string>& emulator,
                                               const std::string& level) {
  auto program = std::make_unique<Program>();
  TENON_DO(program->open(path, emulator, level));
  return program;
}

}  // namespace tenon
