// What a verifier found.
#pragma once

#include <string>

#include "tenon/result.h"

namespace tenon {

class Violations {
 public:
  // The message is made only where the rule is broken.
  template <class Message>
  bool require(bool holds, const Message& message) {
    if (!holds) list_.push_back({.code = Code::E0603, .message = where_ + message()});
    return holds;
  }
  bool require(bool holds, const char* message) {
    return require(holds, [&] { return std::string(message); });
  }
  // Prefix of the messages that follow.
  void enter(std::string where) { where_ = std::move(where); }

  Result<void> result() && {
    if (list_.empty()) return {};
    return std::unexpected(std::move(list_));
  }

 private:
  Diags list_;
  std::string where_;
};

}  // namespace tenon
