include(CMakePackageConfigHelpers)
install(TARGETS tenon RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/backends/targets/ DESTINATION ${CMAKE_INSTALL_DATADIR}/tenon/targets)

# find_package(Tenon)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/Tenon)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/package/TenonConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/package/TenonConfig.cmake
                              INSTALL_DESTINATION ${package} PATH_VARS CMAKE_INSTALL_BINDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/TenonConfigVersion.cmake
                                 VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/TenonConfig.cmake ${PROJECT_BINARY_DIR}/package/TenonConfigVersion.cmake
              ${PROJECT_SOURCE_DIR}/cmake/package/TenonAddModel.cmake
        DESTINATION ${package})
