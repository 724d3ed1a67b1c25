# How tests are declared. Labels: unit, lit, lint, generated, corpus (needs SMELT_CORPUS),
# install, and long (left to `./dev test --all`).
include_guard(GLOBAL)
find_package(GTest REQUIRED)
include(GoogleTest)
include(ProcessorCount)
ProcessorCount(SMELT_CORES)

# The Python of `./dev setup`, or another that has requirements.txt's packages.
if(EXISTS ${CMAKE_SOURCE_DIR}/.venv/bin/python)
  set(SMELT_PYTHON_DEFAULT ${CMAKE_SOURCE_DIR}/.venv/bin/python)
else()
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  set(SMELT_PYTHON_DEFAULT ${Python3_EXECUTABLE})
endif()
set(SMELT_PYTHON ${SMELT_PYTHON_DEFAULT} CACHE FILEPATH "Python with the packages of requirements.txt")

# smelt_unit_test(<name> <sources...> [LINK <libraries...>] [MLIR])
# A GoogleTest executable whose tests ctest lists one by one (label unit).
# MLIR: its sources include MLIR headers.
function(smelt_unit_test name)
  cmake_parse_arguments(ARG "MLIR" "" "LINK" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  if(ARG_MLIR)
    smelt_uses_mlir(${name})
  endif()
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gmock GTest::gtest GTest::gtest_main)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST TEST_PREFIX ${name}/
    PROPERTIES LABELS unit TIMEOUT 300)
endfunction()

# smelt_python_test(<name> LABEL <label> [TIMEOUT <s>] [CORES <n>] COMMAND <script> <args...>)
# A script run by SMELT_PYTHON. Exit 77 means skipped, with the reason printed.
function(smelt_python_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT;CORES" "LABEL;COMMAND" ${ARGN})
  add_test(NAME ${name} COMMAND ${SMELT_PYTHON} -B ${ARG_COMMAND} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  if(NOT ARG_CORES)
    set(ARG_CORES 1)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABEL}" TIMEOUT ${ARG_TIMEOUT}
    PROCESSORS ${ARG_CORES} SKIP_RETURN_CODE 77)
endfunction()
