#include <fmt/format.h>

#include <memory>

#include "command.h"
#include "records.h"

namespace tenon::cli {

namespace {

constexpr Code kCodes[] = {
#define DIAG(code, title, explanation) Code::code,
#include "tenon/diagnostics.def"
#undef DIAG
};

}  // namespace

Command explain_command() {
  auto name = std::make_shared<std::string>();
  return {
      .name = "explain",
      .summary = "Tell more about a diagnostic code",
      .examples =
          "tenon explain E0301  # one code\n"
          "tenon explain        # all codes",
      .options = {{"code", "CODE", "A code such as E0301", name.get()}},
      .run =
          [name](Console& console) {
            bool found = false;
            for (Code code : kCodes) {
              if (!name->empty() && *name != code_name(code)) continue;
              found = true;
              console.record(explanation_record(code));
              console.print(name->empty() ? fmt::format("{}  {}\n", code_name(code), code_title(code))
                                          : fmt::format("{}: {}\n\n{}\n", code_name(code), code_title(code),
                                                        code_explanation(code)));
            }
            if (found) return int{kOk};
            return console.fail({{.code = Code::E0601,
                                  .message = "there is no diagnostic `" + *name + "`",
                                  .hint = "`tenon explain` lists them"}});
          },
  };
}

}  // namespace tenon::cli
