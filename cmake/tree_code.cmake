# tenon_tree_code(NAME model...): the library tenon_NAME, which defines tenon::NAME(), native code of the cost models' boosters
# (include/tenon/tree_scorer.h). Without a model, or where no x86-64 is compiled for, it has none.
function(tenon_tree_code name)
  set(models ${ARGN})
  if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set(models "")
  endif()
  set(folder ${PROJECT_BINARY_DIR}/tree_code)
  add_custom_command(OUTPUT ${folder}/${name}.cpp ${folder}/${name}.a VERBATIM DEPENDS tenon-tree-code ${models}
                     COMMAND tenon-tree-code ${folder} ${name} ${models} COMMENT "Native code of ${name}")
  add_library(tenon_${name} STATIC ${folder}/${name}.cpp)
  target_include_directories(tenon_${name} PRIVATE ${PROJECT_SOURCE_DIR}/backends)
  target_link_libraries(tenon_${name} PUBLIC tenon_cost_model PRIVATE ${folder}/${name}.a)
endfunction()
