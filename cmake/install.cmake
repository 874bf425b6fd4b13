# Installation: headers, library, CMake package, program, data.
include(CMakePackageConfigHelpers)

install(TARGETS natgrad EXPORT natgradTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/natgrad DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY data/digits DESTINATION ${CMAKE_INSTALL_DATADIR}/natgrad/data)
install(EXPORT natgradTargets NAMESPACE natgrad:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/natgrad)

configure_package_config_file(cmake/natgradConfig.cmake.in natgradConfig.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/natgrad)
write_basic_package_version_file(natgradConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/natgradConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/natgradConfigVersion.cmake
              cmake/FindLAPACKE.cmake cmake/natgradCuda20.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/natgrad)
