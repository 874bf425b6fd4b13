# OpenBLAS (the OpenMP build first, so that there is one thread pool) with its CBLAS header, and LAPACKE over it.
# Target LAPACKE::LAPACKE.
find_path(LAPACKE_CBLAS_INCLUDE_DIR openblas_config.h
          PATH_SUFFIXES openblas-openmp x86_64-linux-gnu/openblas-openmp aarch64-linux-gnu/openblas-openmp openblas)
find_path(LAPACKE_INCLUDE_DIR lapacke.h)
find_library(LAPACKE_OPENBLAS_LIBRARY openblas PATH_SUFFIXES openblas-openmp)
find_library(LAPACKE_LIBRARY lapacke)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LAPACKE REQUIRED_VARS LAPACKE_LIBRARY LAPACKE_INCLUDE_DIR
                                  LAPACKE_OPENBLAS_LIBRARY LAPACKE_CBLAS_INCLUDE_DIR)
if(LAPACKE_FOUND AND NOT TARGET LAPACKE::LAPACKE)
  add_library(LAPACKE::LAPACKE INTERFACE IMPORTED)
  target_include_directories(LAPACKE::LAPACKE INTERFACE ${LAPACKE_CBLAS_INCLUDE_DIR} ${LAPACKE_INCLUDE_DIR})
  target_link_libraries(LAPACKE::LAPACKE INTERFACE ${LAPACKE_LIBRARY} ${LAPACKE_OPENBLAS_LIBRARY})
endif()
mark_as_advanced(LAPACKE_CBLAS_INCLUDE_DIR LAPACKE_INCLUDE_DIR LAPACKE_OPENBLAS_LIBRARY LAPACKE_LIBRARY)
