# The runtime's libraries for another architecture than this one: one custom
# command an object, by the system's cross compiler. Used by CMakeLists.txt.
find_program(SMELT_AARCH64_CXX aarch64-linux-gnu-g++)
find_program(SMELT_AARCH64_AR aarch64-linux-gnu-ar)
if(NOT SMELT_AARCH64_CXX OR NOT SMELT_AARCH64_AR OR CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64" OR SMELT_SANITIZE)
  return()
endif()

set(cross_flags -std=c++20 -O2 -fPIC -fno-exceptions -fno-rtti -fno-threadsafe-statics -fvisibility=hidden
  -fvisibility-inlines-hidden -ffunction-sections -fdata-sections -I${CMAKE_SOURCE_DIR}
  -I${CMAKE_SOURCE_DIR}/runtime/include)
set(cross_archives)

function(smelt_cross_library name)
  set(objects)
  foreach(source ${ARGN})
    set(object ${CMAKE_CURRENT_BINARY_DIR}/aarch64/${source}.o)
    get_filename_component(folder ${object} DIRECTORY)
    file(MAKE_DIRECTORY ${folder})
    add_custom_command(OUTPUT ${object}
      COMMAND ${SMELT_AARCH64_CXX} ${cross_flags} -MD -MF ${object}.d -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${source} DEPFILE ${object}.d
      COMMENT "Building ${source} for aarch64" VERBATIM)
    list(APPEND objects ${object})
  endforeach()
  set(archive ${CMAKE_ARCHIVE_OUTPUT_DIRECTORY}/aarch64/lib${name}.a)
  file(MAKE_DIRECTORY ${CMAKE_ARCHIVE_OUTPUT_DIRECTORY}/aarch64)
  add_custom_command(OUTPUT ${archive}
    COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
    COMMAND ${SMELT_AARCH64_AR} rcsD ${archive} ${objects}
    DEPENDS ${objects} VERBATIM)
  set(cross_archives ${cross_archives} ${archive} PARENT_SCOPE)
endfunction()

smelt_cross_library(smelt_runtime ${runtime_sources})
smelt_cross_library(smelt_hostops ${hostops_sources})
smelt_cross_library(smelt_launcher ${launcher_sources})
add_custom_target(smelt_runtime_aarch64 ALL DEPENDS ${cross_archives})
install(FILES ${cross_archives} DESTINATION ${CMAKE_INSTALL_LIBDIR}/aarch64)
