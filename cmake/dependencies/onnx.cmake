# ONNX 1.23.2: schemas, version converter, function bodies, inliner, and the protobuf messages. Built by
# tools/deps.sh from the pinned PyPI source distribution, because Debian's package stops at opset 17.
find_package(Protobuf REQUIRED)  # Debian's 3.21.12, what ONNX was built against
execute_process(COMMAND ${PROJECT_SOURCE_DIR}/tools/deps.sh --prefix
                OUTPUT_VARIABLE TENON_ONNX_PREFIX OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT EXISTS ${TENON_ONNX_PREFIX}/lib/libonnx.a)
  message(FATAL_ERROR "ONNX is not built yet: run tools/deps.sh")
endif()
add_library(tenon_dep_onnx INTERFACE)
target_include_directories(tenon_dep_onnx SYSTEM INTERFACE ${TENON_ONNX_PREFIX}/include)
target_compile_definitions(tenon_dep_onnx INTERFACE ONNX_NAMESPACE=onnx ONNX_ML=1)
target_link_libraries(tenon_dep_onnx INTERFACE ${TENON_ONNX_PREFIX}/lib/libonnx.a protobuf::libprotobuf)
