# Flags that every target of the project shares.
add_compile_options(-Wall -Wextra -Wpedantic -Werror)
add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>)
add_compile_options(-ffunction-sections)  # each can be left out, or put where the linker is told to
# g++ 12 reports these on correct standard-library code once it is inlined.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fno-gnu-unique>
                      -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds -Wno-restrict
                      -Wno-stringop-overread)
endif()
if(SARDONYX_SANITIZE)
  add_compile_options(-fsanitize=${SARDONYX_SANITIZE} -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${SARDONYX_SANITIZE})
  if(SARDONYX_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()
find_program(SARDONYX_CCACHE ccache)
if(SARDONYX_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${SARDONYX_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SARDONYX_CCACHE})
endif()
