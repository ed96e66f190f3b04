# toml++ 3.3: target files and tenon.toml.
find_path(TENON_TOMLPLUSPLUS toml++/toml.h REQUIRED)
add_library(tenon_dep_toml INTERFACE)
target_include_directories(tenon_dep_toml SYSTEM INTERFACE ${TENON_TOMLPLUSPLUS})
