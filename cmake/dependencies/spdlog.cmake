# spdlog 1.10: the log behind -v. Compiled library: header-only costs 8 s per translation unit.
find_package(spdlog REQUIRED)
