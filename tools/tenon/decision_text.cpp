#include "decision_text.h"

#include <fmt/format.h>

namespace tenon::cli {

std::string duration(double seconds) { return seconds < 1e-3 ? fmt::format("{:.1f} us", seconds * 1e6) : fmt::format("{:.3f} ms", seconds * 1e3); }

std::string margin(const Decision& d) {
  if (d.seconds <= 0 || d.runner_up_seconds <= 0) return "";
  const std::string by = fmt::format("{:+.1f} %", 100 * (d.runner_up_seconds / d.seconds - 1));
  return d.sigma > 0 ? by + fmt::format(" +- {:.1f}", 100 * d.sigma) : by;
}

}  // namespace tenon::cli
