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

# tenon_embed_whole(LIBRARY NAME [FILE]): std::string_view tenon::NAME(), the file's bytes, however many: no compiler has to read them. Without a file: none.
function(tenon_embed_whole library name)
  set(source ${PROJECT_BINARY_DIR}/embedded/${name}.cpp)
  set(text "#include <string_view>\n\n")
  if(ARGC GREATER 2)
    list(GET ARGN 0 file)
    string(APPEND text "__asm__(\".section .rodata\\n.globl tenon_${name}_begin, tenon_${name}_end\\ntenon_${name}_begin: .incbin \\\"${file}\\\"\\ntenon_${name}_end:\\n.text\\n\");\n"
                       "extern \"C\" __attribute__((visibility(\"hidden\"))) const char tenon_${name}_begin[], tenon_${name}_end[];\n\n"
                       "namespace tenon {\nstd::string_view ${name}();\nstd::string_view ${name}() { return {tenon_${name}_begin, tenon_${name}_end}; }\n}  // namespace tenon\n")
    set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS ${file})
  else()
    string(APPEND text "namespace tenon {\nstd::string_view ${name}();\nstd::string_view ${name}() { return {}; }\n}  // namespace tenon\n")
  endif()
  file(CONFIGURE OUTPUT ${source} CONTENT "${text}" @ONLY)
  target_sources(${library} PRIVATE ${source})
endfunction()
