# The library as others use it: one archive of all folders, the headers, and a CMake package.
#   cmake --install build/release --prefix PREFIX, then find_package(fulgur) and fulgur::fulgur
#   or add_subdirectory(fulgur), and fulgur::fulgur as well
include(GNUInstallDirs)
add_library(fulgur_archive STATIC)
add_library(fulgur::fulgur ALIAS fulgur_archive)
set_target_properties(fulgur_archive PROPERTIES OUTPUT_NAME fulgur EXPORT_NAME fulgur)
foreach(part base sandbox tensor ops unicode jinja text grammar model engine math envs code code_drivers eval judge
        train rl report_page serve web_page)
  target_sources(fulgur_archive PRIVATE $<TARGET_OBJECTS:fulgur_${part}>)
endforeach()
set(headers ${CMAKE_INSTALL_INCLUDEDIR}/fulgur)
target_include_directories(fulgur_archive INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>
                           $<INSTALL_INTERFACE:${headers}>)
target_compile_features(fulgur_archive INTERFACE cxx_std_20)
target_link_libraries(fulgur_archive INTERFACE Threads::Threads fmt::fmt spdlog::spdlog nlohmann_json::nlohmann_json
                      OpenSSL::SSL OpenSSL::Crypto ZLIB::ZLIB PkgConfig::HWY PkgConfig::PCRE2 PkgConfig::UTF8PROC
                      PkgConfig::ZSTD PkgConfig::CURL Fulgur::mpc)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/fulgur)
install(TARGETS fulgur_archive EXPORT fulgur ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT fulgur NAMESPACE fulgur:: FILE fulgur-targets.cmake DESTINATION ${package})
install(DIRECTORY src/ DESTINATION ${headers} FILES_MATCHING PATTERN "*.h" PATTERN "test_util.h" EXCLUDE
        PATTERN "*-inl.h" EXCLUDE PATTERN "precompiled.h" EXCLUDE
        PATTERN "sandbox/launcher" EXCLUDE PATTERN "sandbox/attacker" EXCLUDE PATTERN "sandbox/lua" EXCLUDE)
include(CMakePackageConfigHelpers)
file(CONFIGURE OUTPUT fulgur-config.cmake @ONLY CONTENT [[
include(${CMAKE_CURRENT_LIST_DIR}/dependencies.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/fulgur-targets.cmake)
]])
write_basic_package_version_file(fulgur-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES cmake/dependencies.cmake ${CMAKE_CURRENT_BINARY_DIR}/fulgur-config.cmake
        ${CMAKE_CURRENT_BINARY_DIR}/fulgur-config-version.cmake DESTINATION ${package})
