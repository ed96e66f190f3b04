#include "workers.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>

namespace tenon::conformance {

namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

constexpr char kSeparator = '\x1f';
constexpr rlim_t kMemory = 12ull << 30;  // a case that asks for more fails alone

std::string encode(const Outcome& outcome) {
  return fmt::format("{}{}{}{}{}{}{}", static_cast<int>(outcome.status), kSeparator, outcome.code, kSeparator,
                     outcome.op, kSeparator, outcome.message);
}

Outcome decode(std::string_view text) {
  auto take = [&] {
    const size_t end = std::min(text.find(kSeparator), text.size());
    const std::string field(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    return field;
  };
  const auto status = static_cast<Status>(take().at(0) - '0');
  std::string code = take(), op = take();
  return {.status = status, .code = std::move(code), .op = std::move(op), .message = std::string(text)};
}

struct Worker {
  size_t index;  // of the case
  pid_t pid;
  int pipe;
  Clock::time_point started;
  std::string text = {};
};

[[noreturn]] void child(const Case& test, const Options& options, const fs::path& scratch, int out) {
  alarm(static_cast<unsigned>(options.timeout_s));
#ifndef __SANITIZE_ADDRESS__  // whose shadow takes terabytes of addresses
  const rlimit memory{kMemory, kMemory};
  setrlimit(RLIMIT_AS, &memory);
#endif
  const std::string text = encode(execute(test, options, scratch));
  for (size_t at = 0; at < text.size();) {
    const ssize_t n = write(out, text.data() + at, text.size() - at);
    if (n <= 0) break;
    at += static_cast<size_t>(n);
  }
  _exit(0);
}

Worker start(size_t index, const Case& test, const Options& options, const fs::path& scratch) {
  int ends[2];
  TENON_CHECK(pipe(ends) == 0, "no pipe");
  fs::create_directories(scratch);
  const pid_t pid = fork();
  TENON_CHECK(pid >= 0, "no process");
  if (pid == 0) {
    close(ends[0]);
    child(test, options, scratch, ends[1]);
  }
  close(ends[1]);
  return {index, pid, ends[0], Clock::now()};
}

Outcome finish(const Worker& worker) {
  close(worker.pipe);
  int status = 0;
  waitpid(worker.pid, &status, 0);
  Outcome outcome;
  if (WIFSIGNALED(status))
    outcome.message =
        WTERMSIG(status) == SIGALRM ? "timed out" : fmt::format("crashed: {}", strsignal(WTERMSIG(status)));
  else if (WEXITSTATUS(status) != 0 || worker.text.empty())
    outcome.message = fmt::format("stopped with exit code {}", WEXITSTATUS(status));
  else
    outcome = decode(worker.text);
  outcome.seconds = std::chrono::duration<double>(Clock::now() - worker.started).count();
  return outcome;
}

// Reads what has come; true at the end.
bool drain(Worker& worker) {
  char buffer[4096];
  const ssize_t n = read(worker.pipe, buffer, sizeof buffer);
  if (n > 0) worker.text.append(buffer, static_cast<size_t>(n));
  return n <= 0;
}

}  // namespace

std::vector<Outcome> execute_all(const std::vector<Case>& cases, const Options& options, int jobs,
                                 const std::function<void(size_t done)>& progress) {
  std::vector<Outcome> outcomes(cases.size());
  std::vector<Worker> running;
  const fs::path scratch = fs::temp_directory_path() / fmt::format("tenon-conformance-{}", getpid());
  for (size_t next = 0, done = 0; done < cases.size();) {
    for (; next < cases.size() && running.size() < static_cast<size_t>(jobs); next++)
      running.push_back(start(next, cases[next], options, scratch / std::to_string(next)));
    std::vector<pollfd> polls;
    for (const Worker& worker : running) polls.push_back({worker.pipe, POLLIN, 0});
    poll(polls.data(), polls.size(), -1);
    for (size_t i = running.size(); i-- > 0;) {
      if (!polls[i].revents || !drain(running[i])) continue;
      outcomes[running[i].index] = finish(running[i]);
      fs::remove_all(scratch / std::to_string(running[i].index));
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
      progress(++done);
    }
  }
  fs::remove_all(scratch);
  return outcomes;
}

}  // namespace tenon::conformance
