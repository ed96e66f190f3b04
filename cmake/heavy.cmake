# Heavy headers stay in the libraries that need them (and there in few files).
target_link_libraries(tenon_onnx PRIVATE tenon_dep_onnx)
target_link_libraries(tenon_support PRIVATE tenon_dep_llvm)  # APFloat, BLAKE3
target_link_libraries(tenon_llvm PRIVATE tenon_dep_llvm tenon_dep_lld)
target_link_libraries(tenon_target PRIVATE tenon_dep_toml tenon_dep_llvm ${TENON_HWLOC})
target_include_directories(tenon_learn SYSTEM PRIVATE ${TENON_XGBOOST_INCLUDE})
target_compile_definitions(tenon_learn PRIVATE TENON_XGBOOST_FILE="libxgboost.so.0")  # by its ABI's name
target_link_libraries(tenon_learn PRIVATE nlohmann_json::nlohmann_json tenon_dep_toml ${CMAKE_DL_LIBS})
target_link_libraries(tenon_tune PRIVATE nlohmann_json::nlohmann_json)
target_link_libraries(tenon_driver PRIVATE nlohmann_json::nlohmann_json tenon_dep_toml spdlog::spdlog ZLIB::ZLIB)
target_link_libraries(tenon_telemetry PRIVATE nlohmann_json::nlohmann_json SQLite::SQLite3 fmt::fmt)
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/driver/options.cpp PROPERTIES
  COMPILE_DEFINITIONS TENON_VERSION="${PROJECT_VERSION}")
