# lld 19: links .so and exe in process, so users need no linker. The static archives by path: the imported
# CMake targets would pull in a second LLVM.
find_library(TENON_LLD_ELF lldELF HINTS /usr/lib/llvm-19/lib REQUIRED)
find_library(TENON_LLD_COMMON lldCommon HINTS /usr/lib/llvm-19/lib REQUIRED)
# What lld compresses debug sections with.
find_library(TENON_ZLIB z REQUIRED)
find_library(TENON_ZSTD zstd REQUIRED)
add_library(tenon_dep_lld INTERFACE)
target_link_libraries(tenon_dep_lld INTERFACE ${TENON_LLD_ELF} ${TENON_LLD_COMMON} tenon_dep_llvm ${TENON_ZLIB} ${TENON_ZSTD})
