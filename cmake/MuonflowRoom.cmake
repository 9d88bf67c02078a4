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
  muonflow_warnings(muonflow_${name})
  set_property(GLOBAL APPEND PROPERTY MUONFLOW_ROOMS muonflow_${name})
endfunction()

function(muonflow_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wconversion $<$<BOOL:${MUONFLOW_WERROR}>:-Werror>)
endfunction()

# muonflow_test(ROOM SOURCES ... LINK ...): one test program a folder of tests/, its cases known to ctest one by one.
function(muonflow_test name)
  cmake_parse_arguments(TEST "" "" "SOURCES;LINK;LABELS" ${ARGN})
  add_executable(test_${name} ${TEST_SOURCES})
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(test_${name} PRIVATE ${TEST_LINK} GTest::gtest_main)
  target_compile_definitions(test_${name} PRIVATE MUONFLOW_TEST_DATA="${PROJECT_SOURCE_DIR}/tests")
  muonflow_warnings(test_${name})
  if(NOT TEST_LABELS)
    set(TEST_LABELS unit)
  endif()
  gtest_discover_tests(test_${name} TEST_PREFIX "${name}." PROPERTIES LABELS "${TEST_LABELS}" TIMEOUT 600 DISCOVERY_TIMEOUT 60)
endfunction()
