# GoogleTest 1.12; RapidCheck (property tests) and MPFR (oracle of the math functions) beside it.
find_package(GTest REQUIRED)
find_library(TENON_RAPIDCHECK rapidcheck REQUIRED)
find_library(TENON_MPFR mpfr REQUIRED)
