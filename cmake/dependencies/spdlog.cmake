# spdlog 1.10: the log behind -v. Compiled library: header-only costs 8 s per translation unit.
find_package(spdlog REQUIRED)
# fmt 9.1, which spdlog brings: text of the tools (g++ 12 has no <format>).
find_package(fmt REQUIRED)
