# muonflow_room(NAME SOURCES a.cpp ... [LINK muonflow_core ...] [PRIVATE_LINK lib ...])
# One static library a room: muonflow_NAME, alias muonflow::NAME.
function(muonflow_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
  add_library(muonflow_${name} STATIC ${ROOM_SOURCES})
  add_library(muonflow::${name} ALIAS muonflow_${name})
  set_target_properties(muonflow_${name} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(
    muonflow_${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>
           $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include> $<INSTALL_INTERFACE:include>)
  target_compile_features(muonflow_${name} PUBLIC cxx_std_20)
  target_link_libraries(muonflow_${name} PUBLIC ${ROOM_LINK} PRIVATE ${ROOM_PRIVATE_LINK})
  muonflow_compile_options(muonflow_${name})
  muonflow_compile_together(muonflow_${name})
  if(NOT "OpenMP::OpenMP_CXX" IN_LIST ROOM_PRIVATE_LINK)  # another option, other precompiled headers
    muonflow_precompile(muonflow_${name})
  endif()
  set_property(GLOBAL APPEND PROPERTY MUONFLOW_ROOMS muonflow_${name})
endfunction()

# The headers that cost most to read, read once: once for all rooms or, where they are named, for this target. A compiler
# cache does better than a precompiled header, and the two get in each other's way.
function(muonflow_precompile target)
  if(CMAKE_CXX_COMPILER_LAUNCHER)
    return()
  endif()
  if(ARGN)
    target_precompile_headers(${target} PRIVATE ${ARGN})
    return()
  endif()
  if(NOT TARGET muonflow_precompiled)
    file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/precompiled.cpp" CONTENT "")
    add_library(muonflow_precompiled OBJECT "${PROJECT_BINARY_DIR}/precompiled.cpp")
    target_link_libraries(muonflow_precompiled PRIVATE Eigen3::Eigen nlohmann_json::nlohmann_json)
    target_compile_features(muonflow_precompiled PRIVATE cxx_std_20)
    muonflow_compile_options(muonflow_precompiled)
    target_precompile_headers(muonflow_precompiled PRIVATE <Eigen/Core> <nlohmann/json.hpp>)
  endif()
  target_precompile_headers(${target} REUSE_FROM muonflow_precompiled)
endfunction()

# Several sources in one run of the compiler, which so reads their common headers and instantiates their common templates
# once (option MUONFLOW_UNITY). A source that Highway compiles once for each instruction set includes itself and stays alone.
function(muonflow_compile_together target)
  if(NOT MUONFLOW_UNITY)
    return()
  endif()
  get_target_property(sources ${target} SOURCES)
  foreach(source IN LISTS sources)
    cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
    if(EXISTS "${source}")  # not generated
      file(STRINGS "${source}" for_each_target REGEX "hwy/foreach_target" LIMIT_COUNT 1)
      if(for_each_target)
        set_source_files_properties("${source}" PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
      endif()
    endif()
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${MUONFLOW_UNITY_BATCH})
endfunction()

function(muonflow_compile_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wconversion $<$<BOOL:${MUONFLOW_WERROR}>:-Werror>)
  # Precompiled headers alone fill the heap at which GCC begins to collect garbage, again and again: with half
  # a gigabyte before the first time it takes a sixth less time.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:--param=ggc-min-heapsize=524288>)
endfunction()

# muonflow_test(ROOM SOURCES ... LINK ...): one test program a folder of tests/, its cases known to ctest one by one.
function(muonflow_test name)
  cmake_parse_arguments(TEST "" "" "SOURCES;LINK;LABELS" ${ARGN})
  muonflow_test_program(${name} SOURCES ${TEST_SOURCES} LINK ${TEST_LINK} GTest::gtest_main)
  if(NOT TEST_LABELS)
    set(TEST_LABELS unit)
  endif()
  gtest_discover_tests(test_${name} TEST_PREFIX "${name}." PROPERTIES LABELS "${TEST_LABELS}" TIMEOUT 600 DISCOVERY_TIMEOUT 60)
endfunction()

# The program alone, for tests that need their own way of starting it.
function(muonflow_test_program name)
  cmake_parse_arguments(TEST "" "" "SOURCES;LINK" ${ARGN})
  add_executable(test_${name} ${TEST_SOURCES})
  target_link_libraries(test_${name} PRIVATE ${TEST_LINK})
  muonflow_test_options(test_${name})
  muonflow_compile_together(test_${name})
  if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
    if(NOT TARGET test_precompiled)
      muonflow_test_header()
    endif()
    target_precompile_headers(test_${name} REUSE_FROM test_precompiled)
  endif()
endfunction()

# The headers that nearly every test reads, compiled once for all test programs: a quarter of the time of their build.
function(muonflow_test_header)
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/test_precompiled.cpp" CONTENT "")
  add_executable(test_precompiled "${PROJECT_BINARY_DIR}/test_precompiled.cpp")  # as position independent as they are
  target_link_libraries(test_precompiled PRIVATE muonflow_core GTest::gtest_main)
  muonflow_test_options(test_precompiled)
  target_precompile_headers(test_precompiled PRIVATE <gtest/gtest.h> <Eigen/Dense>)
endfunction()

# Alike for all of them, or they could not share the header. -O1: what is judged is the library, which keeps its own level.
function(muonflow_test_options target)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_definitions(${target} PRIVATE MUONFLOW_TEST_DATA="${PROJECT_SOURCE_DIR}/tests")
  target_compile_options(${target} PRIVATE -O1)
  muonflow_compile_options(${target})
endfunction()
