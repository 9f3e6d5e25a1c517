# Run by cpack between installing into its folder and packing: Debian wants documents of a package under
# the package's own name, compressed, and the licence told in `copyright`.
function(compress)
  execute_process(COMMAND gzip -9nf ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

foreach(part "Unspecified/musterd" "dev/muster-dev")
  string(REGEX MATCH "^(.*)/(.*)$" ignored "${part}")
  set(share "${CPACK_TEMPORARY_DIRECTORY}/${CMAKE_MATCH_1}/usr/share/doc")
  set(doc "${share}/${CMAKE_MATCH_2}")
  file(MAKE_DIRECTORY "${share}")
  if(EXISTS "${share}/muster")
    file(RENAME "${share}/muster" "${doc}")
  endif()
  file(REMOVE "${doc}/LICENSE")
  file(COPY "${CPACK_MUSTER_SOURCE_DIR}/etc/debian/copyright" DESTINATION "${doc}"
       FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
  file(COPY "${CPACK_MUSTER_BINARY_DIR}/package/changelog" DESTINATION "${doc}"
       FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
  compress("${doc}/changelog")
  file(GLOB texts "${doc}/*.md")
  if(texts)
    compress(${texts})
  endif()
endforeach()

# Of headers alone, muster.pc is the same for all architectures; its prefix is as far away there.
set(usr "${CPACK_TEMPORARY_DIRECTORY}/dev/usr")
file(MAKE_DIRECTORY "${usr}/share/pkgconfig")
file(RENAME "${usr}/lib/pkgconfig/muster.pc" "${usr}/share/pkgconfig/muster.pc")
file(REMOVE_RECURSE "${usr}/lib")
