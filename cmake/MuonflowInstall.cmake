# What `cmake --install` puts in place: the rooms of the library, their headers, and the package that
# find_package(muonflow) reads. The program is installed by its own room.
include(CMakePackageConfigHelpers)

set(muonflow_package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/muonflow")

install(TARGETS muonflow ${muonflow_rooms} EXPORT muonflowTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT muonflowTargets NAMESPACE muonflow:: DESTINATION "${muonflow_package_folder}")

install(
  DIRECTORY src/muonflow
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING
  PATTERN "*.hpp"
  PATTERN "cli" EXCLUDE)
install(FILES "${PROJECT_BINARY_DIR}/include/muonflow/core/version.hpp"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/muonflow/core")

configure_package_config_file(cmake/muonflowConfig.cmake.in "${PROJECT_BINARY_DIR}/muonflowConfig.cmake"
                              INSTALL_DESTINATION "${muonflow_package_folder}")
# Before 1.0 a new minor version may change the interface.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/muonflowConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/muonflowConfig.cmake" "${PROJECT_BINARY_DIR}/muonflowConfigVersion.cmake"
              cmake/FindHighway.cmake cmake/FindOpenBLASOpenMP.cmake cmake/Finddnnl.cmake
        DESTINATION "${muonflow_package_folder}")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
