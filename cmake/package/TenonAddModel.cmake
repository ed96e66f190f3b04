# tenon_add_model(NAME MODEL file.onnx
#                 [TARGET target]               default: the host's portable baseline
#                 [CPU_DISPATCH v2 v3 ...]      targets in one artifact instead, from the least to the best
#                 [DIM N=1 S=1..8 ...]          symbolic dims: values or ranges
#                 [SHAPE input:1x3xHxW ...]
#                 [EMIT so a header ...]        default: a header so
#                 [WEIGHTS embed|file] [THREADS none|callback|pool]
#                 [SCHEDULE file] [LEVEL 0..3]
#                 [OPTIONS --policy rules ...]  more options of `tenon compile`
#                 [OUTPUT folder])              default: NAME in the current binary folder
#
# Compiles the model when the project is built and gives, as far as EMIT has them,
#   NAME::NAME         the shared library,
#   NAME::NAME_static  the static library,
#   NAME               the static library where there is one, else the shared one.
# All carry the include folder of NAME.h and NAME.hpp. The target properties TENON_FOLDER and TENON_WEIGHTS
# of NAME say where the artifact and its weights file lie. The model is compiled again when it, its external
# data, the schedule, the target file or Tenon change; files that come out the same are not touched, so nothing
# is built anew for them. The variable TENON_CACHE_DIR names a cache folder.
function(tenon_add_model name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "MODEL;TARGET;WEIGHTS;THREADS;SCHEDULE;LEVEL;OUTPUT" "CPU_DISPATCH;DIM;SHAPE;EMIT;OPTIONS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "tenon_add_model(${name}): what is `${arg_UNPARSED_ARGUMENTS}`?")
  endif()
  if(NOT arg_MODEL)
    message(FATAL_ERROR "tenon_add_model(${name}): MODEL is missing")
  endif()
  if(CMAKE_CROSSCOMPILING AND NOT arg_TARGET AND NOT arg_CPU_DISPATCH)
    message(FATAL_ERROR "tenon_add_model(${name}): TARGET is needed where the host is not the target")
  endif()
  if(NOT arg_EMIT)
    set(arg_EMIT so a header)
  endif()
  if(NOT arg_OUTPUT)
    set(arg_OUTPUT ${name})
  endif()
  get_filename_component(folder "${arg_OUTPUT}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_BINARY_DIR}")
  get_filename_component(model "${arg_MODEL}" ABSOLUTE)

  list(JOIN arg_EMIT "," emit)
  set(options --name ${name} --emit ${emit})
  foreach(option TARGET WEIGHTS THREADS)
    if(arg_${option})
      string(TOLOWER ${option} word)
      list(APPEND options --${word} ${arg_${option}})
    endif()
  endforeach()
  if(arg_CPU_DISPATCH)
    list(JOIN arg_CPU_DISPATCH "," levels)
    list(APPEND options --cpu-dispatch ${levels})
  endif()
  if(arg_SCHEDULE)
    get_filename_component(schedule "${arg_SCHEDULE}" ABSOLUTE)
    list(APPEND options --schedule ${schedule})
  endif()
  if(DEFINED arg_LEVEL)
    list(APPEND options -O${arg_LEVEL})
  endif()
  foreach(item ${arg_DIM})
    list(APPEND options --dim ${item})
  endforeach()
  foreach(item ${arg_SHAPE})
    list(APPEND options --shape ${item})
  endforeach()
  if(TENON_CACHE_DIR)
    list(APPEND options --cache-dir ${TENON_CACHE_DIR})
  endif()
  list(APPEND options ${arg_OPTIONS})

  set(files "")
  if("so" IN_LIST arg_EMIT)
    set(shared "${folder}/lib${name}.so")
  endif()
  if("a" IN_LIST arg_EMIT)
    set(static "${folder}/lib${name}.a")
  endif()
  if(NOT shared AND NOT static)
    message(FATAL_ERROR "tenon_add_model(${name}): EMIT has neither so nor a")
  endif()
  if("header" IN_LIST arg_EMIT)
    list(APPEND files "${folder}/${name}.h" "${folder}/${name}.hpp")
  endif()
  if(arg_WEIGHTS STREQUAL "file")
    set(weights "${folder}/${name}.weights")
  endif()
  list(APPEND files ${shared} ${static} ${weights})

  # The manifest is the rule's output: what the depfile names, and always as new as the last run.
  set(manifest "${folder}/manifest.json")
  add_custom_command(
    OUTPUT "${manifest}"
    BYPRODUCTS ${files}
    COMMAND Tenon::tenon compile "${model}" -o "${folder}" --depfile "${folder}.d" ${options}
    COMMAND "${CMAKE_COMMAND}" -E touch "${manifest}"
    DEPENDS "${model}" ${schedule} Tenon::tenon
    DEPFILE "${folder}.d"
    COMMENT "Compiling model ${name}"
    VERBATIM)
  add_custom_target(${name}_artifact DEPENDS "${manifest}")
  file(MAKE_DIRECTORY "${folder}")  # an include folder must exist when the build is configured

  set(libraries "")
  if(shared)
    add_library(${name}::${name} SHARED IMPORTED GLOBAL)
    set_target_properties(${name}::${name} PROPERTIES IMPORTED_LOCATION "${shared}" IMPORTED_SONAME "lib${name}.so")
    set(libraries ${name}::${name})
  endif()
  if(static)
    add_library(${name}::${name}_static STATIC IMPORTED GLOBAL)
    set_target_properties(${name}::${name}_static PROPERTIES IMPORTED_LOCATION "${static}")
    list(PREPEND libraries ${name}::${name}_static)
  endif()
  foreach(library ${libraries})
    target_include_directories(${library} INTERFACE "${folder}")
    add_dependencies(${library} ${name}_artifact)
    if(arg_THREADS STREQUAL "pool")
      find_package(Threads REQUIRED)
      target_link_libraries(${library} INTERFACE Threads::Threads)
    endif()
  endforeach()
  list(GET libraries 0 preferred)
  add_library(${name} INTERFACE)
  target_link_libraries(${name} INTERFACE ${preferred})
  set_target_properties(${name} PROPERTIES TENON_FOLDER "${folder}" TENON_WEIGHTS "${weights}")
endfunction()
