#include <fmt/format.h>

#include <memory>

#include "command.h"
#include "records.h"
#include "tenon/frontend.h"

namespace tenon::cli {

Command ops_command() {
  auto filter = std::make_shared<std::string>();
  return {
      .name = "ops",
      .summary = "List the ONNX operators that can be compiled",
      .examples =
          "tenon ops         # all\n"
          "tenon ops Reduce  # those whose name contains Reduce",
      .options = {{"filter", "FILTER", "Part of a name", filter.get()}},
      .run =
          [filter](Console& console) {
            for (const std::string& name : supported_operators()) {
              if (name.find(*filter) == std::string::npos) continue;
              console.record(operator_record(name));
              console.print(name + "\n");
            }
            return int{kOk};
          },
  };
}

}  // namespace tenon::cli
