#include "plain_text.h"

#include <cstdint>
#include <string>

#include "tenon/telemetry.h"

namespace tenon::telemetry {

namespace {

// Bytes of the character that `text` begins with; 0: it begins with none, or with one that controls.
size_t character(std::string_view text) {
  const auto first = static_cast<uint8_t>(text[0]);
  if (first < 0x80) return (first >= 0x20 && first != 0x7f) || first == '\n' || first == '\t' || first == '\r';
  const size_t more = first >= 0xc2 && first <= 0xdf ? 1 : (first & 0xf0) == 0xe0 ? 2 : first >= 0xf0 && first <= 0xf4 ? 3 : 0;
  if (more == 0 || text.size() <= more) return 0;
  uint32_t point = first & (0x3fu >> more);
  for (size_t k = 1; k <= more; ++k) {
    const auto next = static_cast<uint8_t>(text[k]);
    if ((next & 0xc0) != 0x80) return 0;
    point = point << 6 | (next & 0x3f);
  }
  constexpr uint32_t kLeast[] = {0, 0xa0, 0x800, 0x10000};  // below: controls, and longer ways to write a character
  return point < kLeast[more] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) ? 0 : more + 1;
}

}  // namespace

bool is_plain_text(std::string_view text) {
  for (size_t k = 0; k < text.size();) {
    const size_t bytes = character(text.substr(k));
    if (bytes == 0) return false;
    k += bytes;
  }
  return true;
}

std::string plain(std::string_view text) {
  std::string out;
  for (size_t k = 0; k < text.size();) {
    const size_t bytes = character(text.substr(k));
    out += bytes ? text.substr(k, bytes) : "?";
    k += bytes ? bytes : 1;
  }
  return out;
}

}  // namespace tenon::telemetry
