# The installed tree: bin/smelt and the MLIR tools, the runtime's static
# libraries, smelt.h, a CMake package (Smelt::runtime, Smelt::hostops,
# Smelt::launcher) and a pkg-config file. test/install/ uses it from outside.
# The runtime's targets are exported by runtime/CMakeLists.txt.
include(CMakePackageConfigHelpers)

foreach(part runtime hostops launcher)
  if(TARGET smelt_${part})
    set_target_properties(smelt_${part} PROPERTIES EXPORT_NAME ${part})
  endif()
endforeach()

foreach(tool smelt smelt-opt smelt-reduce smelt-lsp-server)
  if(TARGET ${tool})
    install(TARGETS ${tool} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/Smelt)
install(EXPORT SmeltTargets NAMESPACE Smelt:: DESTINATION ${package})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/SmeltConfig.cmake.in ${CMAKE_BINARY_DIR}/SmeltConfig.cmake
  INSTALL_DESTINATION ${package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/SmeltConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/SmeltConfig.cmake ${CMAKE_BINARY_DIR}/SmeltConfigVersion.cmake DESTINATION ${package})

set(SMELT_PC_LIBS -lsmelt_runtime)
if(TARGET smelt_hostops)
  set(SMELT_PC_LIBS "-Wl,-u,smelt_host_op_table -lsmelt_hostops ${SMELT_PC_LIBS}")
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/smelt.pc.in ${CMAKE_BINARY_DIR}/smelt.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/smelt.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/smelt)
