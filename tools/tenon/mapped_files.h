// Models and weights are mapped, not read: a file that another program cuts short while it is being
// compiled makes the kernel send SIGBUS.
#pragma once

namespace tenon::cli {

// Turns that signal into a diagnostic, E0101, and exit code 1.
void report_files_cut_short();

}  // namespace tenon::cli
