# What `make install` gives: program, library, headers, pkg-config file, man page, completion, and beside the library
# those shared libraries that do not come from the system's packages.
install(TARGETS shrike RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS libshrike LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/shrike DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

foreach(library ${DUCKDB_LIBRARY} ${YYJSON_LIBRARY})
  string(FIND ${library} ${CMAKE_SOURCE_DIR}/.deps/ position)
  if(position EQUAL 0)
    # Under the name that the loader asks for, whatever links lead there.
    file(REAL_PATH ${library} real)
    execute_process(COMMAND ${CMAKE_OBJDUMP} -p ${real} OUTPUT_VARIABLE headers ERROR_QUIET)
    string(REGEX MATCH "SONAME +([^\n]+)" found "${headers}")
    string(STRIP "${CMAKE_MATCH_1}" soname)
    if(NOT soname)
      get_filename_component(soname ${library} NAME)
    endif()
    install(PROGRAMS ${real} DESTINATION ${CMAKE_INSTALL_LIBDIR}/shrike RENAME ${soname})
  endif()
endforeach()

configure_file(cmake/shrike.pc.in ${CMAKE_BINARY_DIR}/shrike.pc.in @ONLY)
install(CODE "
  file(READ \"${CMAKE_BINARY_DIR}/shrike.pc.in\" text)
  string(REPLACE \"%PREFIX%\" \"\${CMAKE_INSTALL_PREFIX}\" text \"\${text}\")
  file(WRITE \"${CMAKE_BINARY_DIR}/shrike.pc\" \"\${text}\")
")
install(FILES ${CMAKE_BINARY_DIR}/shrike.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/shrike.1 ${CMAKE_BINARY_DIR}/shrike.bash
                   COMMAND shrike __man > ${CMAKE_BINARY_DIR}/shrike.1
                   COMMAND shrike __completion > ${CMAKE_BINARY_DIR}/shrike.bash
                   DEPENDS shrike)
add_custom_target(manual DEPENDS ${CMAKE_BINARY_DIR}/shrike.1 ${CMAKE_BINARY_DIR}/shrike.bash)
install(CODE "execute_process(COMMAND ${CMAKE_COMMAND} --build ${CMAKE_BINARY_DIR} --target manual
                              COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)")
install(FILES ${CMAKE_BINARY_DIR}/shrike.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${CMAKE_BINARY_DIR}/shrike.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
        RENAME shrike)
