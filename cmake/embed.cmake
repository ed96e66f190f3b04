# tenon_embed(library name file...): the texts of the files, compiled into the library as rows
# {"stem", "text"}, in the generated header <name>.inc.
function(tenon_embed library name)
  set(rows "")
  foreach(file ${ARGN})
    get_filename_component(stem ${file} NAME_WLE)
    file(READ ${file} text)
    string(APPEND rows "{\"${stem}\", R\"tenon(${text})tenon\"},\n")
  endforeach()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ARGN})
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/embedded/${name}.inc CONTENT "${rows}" @ONLY)
  target_include_directories(${library} PRIVATE ${PROJECT_BINARY_DIR}/embedded)
endfunction()
