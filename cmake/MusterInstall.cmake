# What `cmake --install` places beside the programs (which their own directories install):
#
#   bin/musterctl  bin/muster-sim  sbin/musterd
#   include/muster/*.h  lib/pkgconfig/muster.pc  lib/muster/plugins/*.so
#   lib/systemd/system/musterd.service  lib/sysusers.d/muster.conf  lib/tmpfiles.d/muster.conf
#   share/man/man{1,5,8}/*.gz           when scdoc was there (docs/man)
#   etc/muster/muster.yaml              never over one that is there (/etc when the prefix is /usr)
#   share/doc/muster/                   README, CHANGELOG, LICENSE, docs, examples/{muster.yaml,users.acl,
#                                       muster.rules.yml (Prometheus), muster.json (Grafana)},
#                                       examples/plugins: sources that build with muster.pc
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/muster" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        COMPONENT dev FILES_MATCHING PATTERN "*.h")
install(FILES README.md CHANGELOG.md LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(DIRECTORY docs/ DESTINATION "${CMAKE_INSTALL_DOCDIR}" FILES_MATCHING PATTERN "*.md"
        PATTERN man EXCLUDE)
install(FILES etc/muster.yaml etc/users.acl etc/prometheus/muster.rules.yml etc/grafana/muster.json
        DESTINATION "${CMAKE_INSTALL_DOCDIR}/examples")
install(DIRECTORY plugins/examples/ DESTINATION "${CMAKE_INSTALL_DOCDIR}/examples/plugins"
        COMPONENT dev)

# muster.pc finds its prefix from where it lies: `cmake --install --prefix` may give another one than
# configuring did. The ABI is read from the header, so that the two cannot differ.
file(READ "${PROJECT_SOURCE_DIR}/include/muster/plugin.h" header)
foreach(part MAJOR MINOR)
  if(NOT header MATCHES "#define MUSTER_ABI_${part} ([0-9]+)")
    message(FATAL_ERROR "no MUSTER_ABI_${part} in include/muster/plugin.h")
  endif()
  set(abi_${part} "${CMAKE_MATCH_1}")
endforeach()
set(MUSTER_ABI "${abi_MAJOR}.${abi_MINOR}")
file(RELATIVE_PATH MUSTER_PC_TO_PREFIX "/p/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/p")
string(REGEX REPLACE "/$" "" MUSTER_PC_TO_PREFIX "${MUSTER_PC_TO_PREFIX}")
configure_file(cmake/muster.pc.in "${PROJECT_BINARY_DIR}/muster.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/muster.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig"
        COMPONENT dev)

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

# The unit names the daemon and its configuration where they were installed. systemd looks below /usr and
# below /usr/local.
install(FILES etc/systemd/muster.sysusers.conf DESTINATION lib/sysusers.d RENAME muster.conf)
install(FILES etc/systemd/muster.tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME muster.conf)
install(CODE "set(source \"${PROJECT_SOURCE_DIR}/etc/systemd/musterd.service\")")
install(CODE [[
  file(READ "${source}" unit)
  if(NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
    string(REPLACE "/usr/sbin/musterd" "${CMAKE_INSTALL_PREFIX}/sbin/musterd" unit "${unit}")
    string(REPLACE "/etc/muster/" "${CMAKE_INSTALL_PREFIX}/etc/muster/" unit "${unit}")
  endif()
  set(target "${CMAKE_INSTALL_PREFIX}/lib/systemd/system/musterd.service")
  file(MAKE_DIRECTORY "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/lib/systemd/system")
  file(WRITE "$ENV{DESTDIR}${target}" "${unit}")
  list(APPEND CMAKE_INSTALL_MANIFEST_FILES "${target}")
]])
install(FILES etc/completion/musterctl.bash RENAME musterctl
        DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions")
