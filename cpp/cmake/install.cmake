# The shared library, and what an installation gives to other projects: headers, libraries,
# find_package(deepsport) and pkg-config. Included by cpp/CMakeLists.txt.
include(CMakePackageConfigHelpers)

# Default visibility, because the same objects make the shared library; what it shows is listed in
# exports.map.
set_target_properties(deepsport_core PROPERTIES OUTPUT_NAME deepsport EXPORT_NAME static
                      CXX_VISIBILITY_PRESET default VISIBILITY_INLINES_HIDDEN OFF)

set(config ${CMAKE_INSTALL_LIBDIR}/cmake/deepsport)
install(DIRECTORY include/deepsport ${CMAKE_CURRENT_BINARY_DIR}/include/deepsport
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development PATTERN "*.in" EXCLUDE)

if(DEEPSPORT_SHARED)
  add_library(deepsport_shared SHARED cmake/shared.cpp)
  add_library(deepsport::shared ALIAS deepsport_shared)
  target_link_libraries(deepsport_shared PRIVATE
                        $<BUILD_INTERFACE:$<LINK_LIBRARY:WHOLE_ARCHIVE,deepsport_core>>)
  target_include_directories(deepsport_shared INTERFACE
                             $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(deepsport_shared INTERFACE cxx_std_17)
  target_link_options(deepsport_shared PRIVATE
    LINKER:--version-script=${CMAKE_CURRENT_SOURCE_DIR}/cmake/exports.map LINKER:--no-undefined)
  set_target_properties(deepsport_shared PROPERTIES OUTPUT_NAME deepsport EXPORT_NAME shared
    LINK_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cmake/exports.map)
  if(NOT DEFINED SKBUILD)  # a wheel holds no links, so its library has one name
    set_target_properties(deepsport_shared PROPERTIES
                          VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
  endif()
  install(TARGETS deepsport_shared EXPORT deepsport-shared COMPONENT development
          DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT deepsport-shared NAMESPACE deepsport:: FILE deepsport-shared-targets.cmake
          DESTINATION ${config} COMPONENT development)
endif()

# Relative to where the file lies, so that the tree may be moved.
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_INCLUDEDIR
           BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig OUTPUT_VARIABLE pc_includedir)
string(REGEX REPLACE "[>=]+" " >= " DEEPSPORT_PC_REQUIRES "${DEEPSPORT_FFMPEG_MODULES}")
list(JOIN DEEPSPORT_PC_REQUIRES ", " DEEPSPORT_PC_REQUIRES)

# A wheel carries FFmpeg inside, where only its own libraries find it: no static library there.
if(NOT DEFINED SKBUILD)
  target_compile_features(deepsport_core INTERFACE cxx_std_17)
  install(TARGETS deepsport_core EXPORT deepsport-static COMPONENT development
          DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT deepsport-static NAMESPACE deepsport:: FILE deepsport-static-targets.cmake
          DESTINATION ${config} COMPONENT development)
  configure_file(cmake/deepsport-static.pc.in deepsport-static.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/deepsport-static.pc
          DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
endif()

configure_package_config_file(cmake/deepsport-config.cmake.in deepsport-config.cmake
                              INSTALL_DESTINATION ${config})
write_basic_package_version_file(deepsport-config-version.cmake COMPATIBILITY SameMinorVersion)

configure_file(cmake/deepsport.pc.in deepsport.pc @ONLY)

install(FILES ${CMAKE_CURRENT_BINARY_DIR}/deepsport-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/deepsport-config-version.cmake
        DESTINATION ${config} COMPONENT development)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/deepsport.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

# The licences and the recipe of an FFmpeg that a wheel will carry (wheels/build_ffmpeg.sh).
if(DEFINED SKBUILD AND DEEPSPORT_FFMPEG_SUFFIX)
  pkg_get_variable(ffmpeg_prefix libavcodec${DEEPSPORT_FFMPEG_SUFFIX} prefix)
  install(DIRECTORY ${ffmpeg_prefix}/share/deepsport-ffmpeg/ DESTINATION deepsport/licenses
          COMPONENT python)
endif()
