#include "mapped_files.h"

#include <signal.h>
#include <unistd.h>

namespace tenon::cli {

namespace {

constexpr char kMessage[] =
    "error[E0101]: a file became shorter while it was read\n"
    "   = help: leave the model and its data alone until the command has ended\n";

void stop(int) {
  [[maybe_unused]] auto written = write(STDERR_FILENO, kMessage, sizeof kMessage - 1);
  _exit(1);
}

}  // namespace

void report_files_cut_short() {
  struct sigaction action {};
  action.sa_handler = stop;
  sigaction(SIGBUS, &action, nullptr);
}

}  // namespace tenon::cli
