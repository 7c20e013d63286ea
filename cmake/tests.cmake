# Every tests/unit/test_*.c and tests/differential/test_*.c is a program and a ctest test of its file's name. They are
# built by the target `unit`, not by `all`, so that a plain build needs neither cmocka nor time for them.
enable_testing()
find_path(CMOCKA_INCLUDE cmocka.h)
find_library(CMOCKA_LIBRARY cmocka)
if(NOT CMOCKA_INCLUDE OR NOT CMOCKA_LIBRARY)
  message(STATUS "cmocka not found: no unit tests (make setup installs it)")
  return()
endif()

add_custom_target(unit)
# A failed allocation is a NULL to be handled, as without the sanitizer.
string(JOIN ";" TEST_ENVIRONMENT
  "ASAN_OPTIONS=allocator_may_return_null=1"
  "LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/leaks.supp:print_suppressions=0"
  "UBSAN_OPTIONS=print_stacktrace=1"
  "TSAN_OPTIONS=allocator_may_return_null=1:suppressions=${CMAKE_SOURCE_DIR}/tests/races.supp")

function(shrike_test name)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_link_libraries(${name} PRIVATE frame core)
  add_dependencies(unit ${name})
  add_test(NAME ${name} COMMAND ${name} ${ARGN} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 900 ENVIRONMENT "${TEST_ENVIRONMENT}")
endfunction()

# What tests share: the oracles, and a disk that crashes.
file(GLOB ORACLE_SOURCES CONFIGURE_DEPENDS tests/differential/*.c tests/unit/*.c)
list(FILTER ORACLE_SOURCES EXCLUDE REGEX "/test_[a-z0-9_]*\\.c$")
add_library(oracles STATIC EXCLUDE_FROM_ALL ${ORACLE_SOURCES})
target_include_directories(oracles PUBLIC tests)
target_link_libraries(oracles PUBLIC core)

file(GLOB TEST_SOURCES CONFIGURE_DEPENDS tests/unit/test_*.c tests/differential/test_*.c)
foreach(source ${TEST_SOURCES})
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} EXCLUDE_FROM_ALL ${source})
  target_link_libraries(${name} PRIVATE oracles ${CMOCKA_LIBRARY})
  shrike_test(${name})
endforeach()

# It draws plans until every cell of its table is met: ten minutes on two free cores, more on busy ones.
set_tests_properties(test_random_plans PROPERTIES TIMEOUT 2700)

# tests/tools/*.c: programs that tests in Python run.
file(GLOB TOOL_SOURCES CONFIGURE_DEPENDS tests/tools/*.c)
foreach(source ${TOOL_SOURCES})
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} EXCLUDE_FROM_ALL ${source})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_link_libraries(${name} PRIVATE core)
  add_dependencies(unit ${name})
endforeach()

# The known inputs of every fuzz target are tests too, without a fuzzer.
file(GLOB FUZZ_SOURCES CONFIGURE_DEPENDS tests/fuzz/fuzz_*.c)
foreach(source ${FUZZ_SOURCES})
  get_filename_component(name ${source} NAME_WE)
  add_executable(replay_${name} EXCLUDE_FROM_ALL ${source} tests/fuzz/replay.c)
  shrike_test(replay_${name} tests/fuzz/corpus/${name})
endforeach()

# tests/fuzz/fuzz_*.c: libFuzzer programs, with a corpus in tests/fuzz/corpus/NAME.
if(SHRIKE_FUZZ)
  add_custom_target(fuzz)
  foreach(source ${FUZZ_SOURCES})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} EXCLUDE_FROM_ALL ${source})
    target_link_libraries(${name} PRIVATE frame core)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
    add_dependencies(fuzz ${name})
  endforeach()
endif()
