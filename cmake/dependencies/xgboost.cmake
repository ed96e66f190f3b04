# XGBoost 1.7: `tenon train` and its kin grow trees with it. They open the library when they need it; what it grew is read back as plain data.
# The product sees its header only: tests that ask the library itself link tenon_dep_xgboost.
find_path(TENON_XGBOOST_INCLUDE xgboost/c_api.h REQUIRED)
find_library(TENON_XGBOOST_LIBRARY xgboost REQUIRED)
add_library(tenon_dep_xgboost INTERFACE)
target_include_directories(tenon_dep_xgboost SYSTEM INTERFACE ${TENON_XGBOOST_INCLUDE})
target_link_libraries(tenon_dep_xgboost INTERFACE ${TENON_XGBOOST_LIBRARY})
