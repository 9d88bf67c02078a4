# OpenBLAS built on OpenMP, so that products and our own loops share one pool of threads. Debian's alternatives prefer the
# pthread build where both are installed, hence the full path and an rpath to its folder.
find_library(OpenBLASOpenMP_LIBRARY openblas
             PATHS /usr/lib/x86_64-linux-gnu/openblas-openmp /usr/lib/aarch64-linux-gnu/openblas-openmp NO_DEFAULT_PATH)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  OpenBLASOpenMP REQUIRED_VARS OpenBLASOpenMP_LIBRARY
  REASON_FAILURE_MESSAGE "on Debian: apt-get install libopenblas-openmp-dev")
if(OpenBLASOpenMP_FOUND AND NOT TARGET OpenBLAS::OpenMP)
  get_filename_component(OpenBLASOpenMP_FOLDER "${OpenBLASOpenMP_LIBRARY}" DIRECTORY)
  add_library(OpenBLAS::OpenMP INTERFACE IMPORTED)
  set_target_properties(
    OpenBLAS::OpenMP PROPERTIES INTERFACE_LINK_LIBRARIES "${OpenBLASOpenMP_LIBRARY}"
                                INTERFACE_LINK_OPTIONS "LINKER:-rpath,${OpenBLASOpenMP_FOLDER}")
endif()
