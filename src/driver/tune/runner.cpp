#include "runner.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <sstream>

#include "../files.h"
#include "../region_times.h"
#include "job.h"
#include "job_result.h"

namespace tenon {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kLocal = "local", kQemu = "qemu";

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

// As the shell finds programs; empty: it does not.
std::string find_program(const std::string& name) {
  if (name.find('/') != name.npos) return access(name.c_str(), X_OK) == 0 && !fs::is_directory(name) ? fs::absolute(name).string() : "";
  const char* path = getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (const std::string file = folder + "/" + name; access(file.c_str(), X_OK) == 0 && !fs::is_directory(file)) return file;
  return {};
}

// The emulator with its options, its program with the whole path.
Result<std::string> emulator_of(const Target& target) {
  std::vector<std::string> words = words_of(target.qemu);
  if (words.empty()) return fail(Code::E0506, "target " + target.name + " names no emulator", "--runner COMMAND, or a target file with qemu = \"...\"");
  const std::string program = find_program(words[0]);
  if (program.empty()) return fail(Code::E0506, words[0] + " is not installed", "install the package qemu-user");
  std::string all = program;
  for (size_t k = 1; k < words.size(); ++k) all += ' ' + words[k];
  return all;
}

struct Ended {
  int status = 0;  // as wait gives it
  std::string said;  // the last line
};

// The log is what the command and its children say.
Ended run_command(const std::vector<std::string>& words, const std::string& log) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t child = fork();
  if (child < 0) return {.status = 1, .said = "no process can be made"};
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int nothing = open("/dev/null", O_RDONLY), out = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, S_IRUSR | S_IWUSR);
    dup2(nothing, STDIN_FILENO), dup2(out, STDOUT_FILENO), dup2(out, STDERR_FILENO);
    execvp(arguments[0], arguments.data());
    constexpr int kNotFound = 127;
    _exit(kNotFound);
  }
  Ended ended;
  while (waitpid(child, &ended.status, 0) < 0 && errno == EINTR) {
  }
  std::istringstream lines(read_file(log).value_or(""));
  for (std::string line; std::getline(lines, line);)
    if (!line.empty()) ended.said = line;
  return ended;
}

std::string told(const Ended& ended) {
  const std::string how = WIFSIGNALED(ended.status) ? "was ended by signal " + std::to_string(WTERMSIG(ended.status)) : "ended with exit status " + std::to_string(WEXITSTATUS(ended.status));
  return "the runner " + how + (ended.said.empty() ? "" : ": " + ended.said);
}

std::expected<Measured, JobFailure> attempt(const std::vector<std::string>& command, const fs::path& folder, const WrittenJob& written, int turns) {
  constexpr int64_t kLargest = int64_t{1} << 28;  // of a result that can be
  const fs::path result = folder / "result.json";
  std::error_code error;
  fs::remove(result, error);
  const Ended ended = run_command(command, folder.string() + ".log");
  if (ended.status != 0) return std::unexpected(JobFailure{.message = told(ended)});
  struct stat found {};
  if (lstat(result.c_str(), &found) != 0) return std::unexpected(JobFailure{.message = "the runner left no result.json" + (ended.said.empty() ? "" : ": " + ended.said)});
  if (!S_ISREG(found.st_mode) || found.st_size > kLargest) return std::unexpected(JobFailure{.message = "result.json is no file, or larger than can be"});
  const auto text = read_file(result);
  if (!text) return std::unexpected(JobFailure{.message = text.error()[0].message});
  return read_result(*text, written, turns, kRunsPerTurn);
}

Measured failed(Outcome outcome, std::string why) { return {.outcome = outcome, .message = std::move(why), .model = {}, .regions = {}, .base_regions = {}}; }

}  // namespace

bool runs_jobs(const TuneOptions& options) { return !options.runner.empty() && options.runner != kLocal; }
std::string job_data_of(const std::string& folder) { return folder + ".data"; }

Result<void> prepare_jobs(const TuneOptions& options, const Lowered& model, const std::string& folder) {
  if (!runs_jobs(options)) return {};
  if (options.threads != 1) return fail(Code::E0601, "a job runs on one thread", "leave --workers out, or --runner");
  if (!options.compile.states.empty()) return fail(Code::E0601, "a job is a program, which keeps no states", "leave --state out, or --runner");
  if (options.compile.providers != Providers::None) return fail(Code::E0601, "a job is a static program, which cannot load a library", "leave --providers out, or --runner");
  if (options.runner == kQemu) {
    TENON_DO(emulator_of(model.target));
  } else if (const auto words = words_of(options.runner); words.empty() || find_program(words[0]).empty()) {
    return fail(Code::E0601, "--runner " + options.runner + " is no program that can be run", "--runner local, --runner qemu, or a command such as ./on_board.sh");
  }
  return write_job_data(options, model, job_data_of(folder));
}

Measured run_as_job(const Job& job, const std::string& folder, const std::string& scratch, const TuneOptions& options) {
  const fs::path place = fs::path(scratch) / "job";
  const std::string& base = job.base.empty() ? folder : job.base;
  const auto written = write_job({.folder = place.string(), .candidate = folder, .base = base, .data = job_data_of(base), .turns = job.turns, .calls = kRunsPerTurn, .cpu = options.cpu});
  if (!written) return failed(Outcome::Refused, written.error()[0].message);
  std::vector<std::string> command = words_of(options.runner);
  if (options.runner == kQemu) {
    const auto emulator = emulator_of(job.model->target);
    if (!emulator) return failed(Outcome::Refused, emulator.error()[0].message);
    setenv("TENON_EMULATOR", emulator->c_str(), 1);
    command = {"/bin/sh", (place / "run.sh").string()};
  } else {
    command[0] = find_program(command[0]);
    command.push_back(place.string());
  }
  auto measured = attempt(command, place, *written, job.turns);
  if (!measured && measured.error().of_runner) measured = attempt(command, place, *written, job.turns);
  if (!measured) return failed(measured.error().outcome, measured.error().message);
  if (options.runner == kQemu) measured->device = DeviceSaid{.cpu = {}, .kernel = "emulated", .microcode = {}};
  return std::move(*measured);
}

}  // namespace tenon
