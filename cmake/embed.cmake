# embed_files(TARGET NAME name=path...)
#
# Compiles text files into TARGET as `const struct embedded_file NAME[]` (base/embedded.h), ended by an entry without a
# name. `name` is what the program calls the file. A file that changes is embedded anew by the next build.
set(EMBED_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/embed_script.cmake)

function(embed_files TARGET NAME)
    set(output ${CMAKE_BINARY_DIR}/embedded/${NAME}.c)
    set(inputs)
    foreach(entry ${ARGN})
        string(REGEX REPLACE "^[^=]*=" "" path ${entry})
        list(APPEND inputs ${CMAKE_SOURCE_DIR}/${path})
    endforeach()
    string(REPLACE ";" "|" entries "${ARGN}")
    add_custom_command(
        OUTPUT ${output}
        COMMAND ${CMAKE_COMMAND} -DNAME=${NAME} -DENTRIES=${entries} -DROOT=${CMAKE_SOURCE_DIR} -DOUTPUT=${output}
                -P ${EMBED_SCRIPT}
        DEPENDS ${inputs} ${EMBED_SCRIPT}
        VERBATIM)
    target_sources(${TARGET} PRIVATE ${output})
endfunction()
