# sardonyx_module(NAME DIR... [LINK library...]) collects the sources of the folders into the object library
# sardonyx_NAME and appends it to the list of modules that make up the shared library and the unit tests.
# A new source file is picked up by itself: adding an operator means adding a file.
set_property(GLOBAL PROPERTY SARDONYX_MODULES "")
function(sardonyx_module name)
  cmake_parse_arguments(ARG "" "" "DIRS;LINK" ${ARGN})
  set(sources "")
  foreach(dir ${ARG_DIRS})
    file(GLOB found CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${dir}/*.cpp)
    list(APPEND sources ${found})
  endforeach()
  if(NOT sources)
    return()
  endif()
  add_library(sardonyx_${name} OBJECT ${sources})
  target_include_directories(sardonyx_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(sardonyx_${name} PUBLIC Threads::Threads ${ARG_LINK})
  set_property(GLOBAL APPEND PROPERTY SARDONYX_MODULES sardonyx_${name})
endfunction()

# sardonyx_link_modules(TARGET) links every module's objects straight into TARGET, so no static registration is dropped.
function(sardonyx_link_modules target)
  get_property(modules GLOBAL PROPERTY SARDONYX_MODULES)
  target_link_libraries(${target} PRIVATE ${modules})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
endfunction()
