// What a caller includes or imports: text generated from the signature.
#pragma once

#include "tenon/driver.h"

namespace tenon {

struct BindingInfo {
  Signature signature;
  std::string target, build_id;
  int64_t workspace_max = -1;     // bytes for one worker; -1: unbounded
  int64_t weights_file_bytes = 0; // with its header; 0: embedded, or no weights
  bool shared = false, archive = false, pool = false;
  std::string onednn;             // the soname of the library that the artifact needs; empty: it calls none
  std::vector<LevelSummary> levels;
};

std::string c_header(const BindingInfo& info);       // NAME.h
std::string cpp_header(const BindingInfo& info);     // NAME.hpp
std::string python_module(const BindingInfo& info);  // NAME.py
std::string cmake_config(const BindingInfo& info);   // NAMEConfig.cmake
std::string pkg_config(const BindingInfo& info);     // NAME.pc

}  // namespace tenon
