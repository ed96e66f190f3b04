# LLVM 19 (Debian 12 main): code generation for every target, APFloat, BLAKE3, host detection. Linked
# against the shared library: 0.7 s and 4 MB per executable instead of 5 s and 100 MB.
find_package(LLVM 19.1 REQUIRED CONFIG HINTS /usr/lib/llvm-19/lib/cmake/llvm)
add_library(tenon_dep_llvm INTERFACE)
target_include_directories(tenon_dep_llvm SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS})
separate_arguments(llvm_definitions NATIVE_COMMAND ${LLVM_DEFINITIONS})
target_compile_definitions(tenon_dep_llvm INTERFACE ${llvm_definitions})
target_link_libraries(tenon_dep_llvm INTERFACE LLVM)
find_program(TENON_CLANG NAMES clang-19 REQUIRED)  # compiles backends/runtime to bitcode
