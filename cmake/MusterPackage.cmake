# `cpack -G DEB` in a build directory: the packages musterd (all that runs) and muster-dev (headers and
# examples, for plugins), as lintian wants them.
set(MUSTER_MAINTAINER "muster maintainers <maintainers@muster.example>"
    CACHE STRING "Who answers for the packages, as Name <address>")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME muster)
set(CPACK_PACKAGE_CONTACT "${MUSTER_MAINTAINER}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL Unspecified dev)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS OFF)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)

# The first line of a description is PROJECT_DESCRIPTION.
set(about "Backends of a realtime service enter their connections into sessions;
muster keeps who is where, which connection leads a session, and tells all
of them what changed. The state is in Redis.
")
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_NAME musterd)
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_SECTION net)
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_SHLIBDEPS ON)
# dpkg-shlibdeps adds the libraries.
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_DEPENDS
    "systemd | systemd-standalone-sysusers, systemd | systemd-standalone-tmpfiles")
# The default configuration starts a Redis of its own; another one may be elsewhere.
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_RECOMMENDS "redis-server (>= 5:7.0)")
set(CPACK_DEBIAN_UNSPECIFIED_DESCRIPTION "${about}
This package has the daemon with its plugins, musterctl to look at a cluster
and to steer it, and muster-sim, which plays backends.")
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_CONTROL_EXTRA
    "${PROJECT_SOURCE_DIR}/etc/debian/postinst;${PROJECT_SOURCE_DIR}/etc/debian/prerm;${PROJECT_SOURCE_DIR}/etc/debian/postrm;${PROJECT_BINARY_DIR}/package/conffiles")
set(CPACK_DEBIAN_DEV_PACKAGE_NAME muster-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_DEV_DESCRIPTION "${about}
This package has the headers of the plugin ABI, and plugins to learn from.")

file(WRITE "${PROJECT_BINARY_DIR}/package/conffiles" "/etc/muster/muster.yaml\n")
configure_file(etc/debian/changelog.in "${PROJECT_BINARY_DIR}/package/changelog" @ONLY)
set(CPACK_PRE_BUILD_SCRIPTS "${PROJECT_SOURCE_DIR}/cmake/PackageFiles.cmake")
set(CPACK_MUSTER_SOURCE_DIR "${PROJECT_SOURCE_DIR}")
set(CPACK_MUSTER_BINARY_DIR "${PROJECT_BINARY_DIR}")
include(CPack)
