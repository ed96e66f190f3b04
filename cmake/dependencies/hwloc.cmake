# hwloc 2.9: cache sizes for the `native` target.
find_library(TENON_HWLOC hwloc REQUIRED)
