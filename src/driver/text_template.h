// Generated text: `@key@` in a template stands for a value.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "tenon/result.h"

namespace tenon {

inline std::string fill(std::string_view text, const std::map<std::string, std::string, std::less<>>& values) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    size_t open = text.find('@', at);
    size_t close = open == text.npos ? text.npos : text.find('@', open + 1);
    out += text.substr(at, open == text.npos ? text.npos : open - at);
    if (close == text.npos) break;
    auto value = values.find(text.substr(open + 1, close - open - 1));
    TENON_CHECK(value != values.end(), "template key");
    out += value->second;
    at = close + 1;
  }
  return out;
}

}  // namespace tenon
