// Text that a terminal, a page or a table may show.
#pragma once

#include <string_view>

namespace tenon::telemetry {

// UTF-8 as RFC 3629 has it, without control characters other than line ends and tabulators.
bool is_plain_text(std::string_view text);

}  // namespace tenon::telemetry
