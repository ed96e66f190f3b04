# tenon_tree_code(NAME [ALL] model...): the library tenon_NAME, which defines tenon::NAME(), native code of the cost models' drafts, or of ALL their boosters
# (include/tenon/tree_scorer.h). Without a model, or where no x86-64 is compiled for, it has none.
function(tenon_tree_code name)
  cmake_parse_arguments(PARSE_ARGV 1 code "ALL" "" "")
  set(models ${code_UNPARSED_ARGUMENTS})
  if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set(models "")
  endif()
  set(folder ${PROJECT_BINARY_DIR}/tree_code)
  add_custom_command(OUTPUT ${folder}/${name}.cpp ${folder}/${name}.a VERBATIM DEPENDS tenon-tree-code ${models}
                     COMMAND tenon-tree-code ${folder} ${name} $<$<BOOL:${code_ALL}>:--all> ${models} COMMAND_EXPAND_LISTS COMMENT "Native code of ${name}")
  add_library(tenon_${name} STATIC ${folder}/${name}.cpp)
  target_include_directories(tenon_${name} PRIVATE ${PROJECT_SOURCE_DIR}/backends)
  target_link_libraries(tenon_${name} PUBLIC tenon_cost_model PRIVATE ${folder}/${name}.a)
endfunction()
