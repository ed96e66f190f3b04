# Each dependency is found through one file, which says its version and why it is here.
foreach(dependency onnx llvm lld spdlog cli11 json tomlplusplus hwloc zlib xgboost sqlite gtest)
  include(dependencies/${dependency})
endforeach()
