#include "pass_options.h"

#include <fmt/format.h>

#include <algorithm>

namespace tenon::cli {

namespace {

bool is_stage(const std::string& name) {
  return name == "all" || name == "lower" || std::ranges::count(graph_passes(), name, &GraphPass::name) ||
         std::ranges::count(loop_passes(), name, &LoopPass::name);
}

}  // namespace

std::vector<std::string> split_commas(const std::vector<std::string>& lists) {
  std::vector<std::string> names;
  for (const std::string& list : lists)
    for (size_t at = 0; at <= list.size();) {
      const size_t end = std::min(list.find(',', at), list.size());
      names.push_back(list.substr(at, end - at));
      at = end + 1;
    }
  return names;
}

Result<PassOptions> pass_options(const PassArguments& arguments, Console& console) {
  PassOptions options{.verify_each = arguments.verify_each};
  if (const auto names = split_commas(arguments.print_after); !names.empty()) {
    for (const std::string& name : names)
      if (!is_stage(name))
        return fail(Code::E0601, "--print-after " + name + ": no pass has this name", "`tenon-opt --list` lists them; `lower` is the module before its passes, `all` is every one");
    auto show = [names, &console](std::string_view pass, const auto& ir) {
      if (std::ranges::count(names, pass) || std::ranges::count(names, "all"))
        console.remark(fmt::format("// after {}\n{}", pass, print(ir)));
    };
    options.after_graph = show;
    options.after_loops = show;
  }
  if (arguments.time_passes || console.verbose())
    options.timing = [&console](std::string_view pass, double seconds) {
      console.remark(fmt::format("{:>9.2f} ms  {}", seconds * 1e3, pass));
    };
  return options;
}

}  // namespace tenon::cli
