# What `cmake --install` places beside the programs (which their own directories install):
#
#   bin/musterctl  bin/muster-sim  sbin/musterd
#   lib/muster/plugins/*.so
#   include/muster/*.h
#   etc/muster/muster.yaml              never over one that is there (/etc when the prefix is /usr)
#   share/doc/muster/                   README, CHANGELOG, LICENSE, docs, examples/muster.yaml
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/muster" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        FILES_MATCHING PATTERN "*.h")
install(FILES README.md CHANGELOG.md LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(DIRECTORY docs/ DESTINATION "${CMAKE_INSTALL_DOCDIR}" FILES_MATCHING PATTERN "*.md")
install(FILES etc/muster.yaml DESTINATION "${CMAKE_INSTALL_DOCDIR}/examples")

# An operator's configuration survives every installation. The prefix is looked at when installing,
# since `cmake --install --prefix` may give another one than configuring did.
install(CODE "set(source \"${PROJECT_SOURCE_DIR}/etc/muster.yaml\")")
install(CODE "set(sysconfdir \"${CMAKE_INSTALL_SYSCONFDIR}\")")
install(CODE [[
  if(NOT IS_ABSOLUTE "${sysconfdir}")
    if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
      set(sysconfdir "/${sysconfdir}")
    else()
      set(sysconfdir "${CMAKE_INSTALL_PREFIX}/${sysconfdir}")
    endif()
  endif()
  set(target "$ENV{DESTDIR}${sysconfdir}/muster/muster.yaml")
  if(EXISTS "${target}")
    message(STATUS "Kept as it is: ${target}")
  else() # file(INSTALL) puts DESTDIR in front by itself
    file(INSTALL DESTINATION "${sysconfdir}/muster" TYPE FILE FILES "${source}")
  endif()
]])
