# cmake -DBUILD=... -DSOURCE=... -DWORK=... -DCC=... -P install_test.cmake: installs into an empty prefix, moves it, and
# builds and runs a host with nothing but what was installed, once by pkg-config and once by find_package.
file(REMOVE_RECURSE ${WORK})
execute_process(COMMAND ${CMAKE_COMMAND} -DCMAKE_INSTALL_PREFIX=${WORK}/first -P ${BUILD}/onnxifi/cmake_install.cmake
                OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(RENAME ${WORK}/first ${WORK}/prefix)

file(WRITE ${WORK}/host/host.c [[
#include <onnx/onnxifi.h>
#include <onnx/onnxifi_ext.h>
#include <onnx/onnxifi_x.h>
int main(void) {
  size_t count = 0;
  return onnxGetBackendIDs(NULL, &count) == ONNXIFI_STATUS_FALLBACK && count > 0 ? 0 : 1;
}
]])
file(WRITE ${WORK}/host/CMakeLists.txt [[
cmake_minimum_required(VERSION 3.25)
project(host C)
find_package(Sardonyx REQUIRED)
add_executable(host host.c)
target_link_libraries(host PRIVATE Sardonyx::onnxifi)
]])
execute_process(COMMAND ${CMAKE_COMMAND} -S ${WORK}/host -B ${WORK}/build -DCMAKE_PREFIX_PATH=${WORK}/prefix
                        -DCMAKE_C_COMPILER=${CC} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${WORK}/build OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${WORK}/build/host COMMAND_ERROR_IS_FATAL ANY)

find_program(PKG_CONFIG pkg-config REQUIRED)
file(GLOB_RECURSE pc ${WORK}/prefix/onnxifi.pc)
get_filename_component(folder ${pc} DIRECTORY)
set(ENV{PKG_CONFIG_PATH} ${folder})
execute_process(COMMAND ${PKG_CONFIG} --cflags --libs onnxifi OUTPUT_VARIABLE flags COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags}")
execute_process(COMMAND ${CC} -std=c99 ${WORK}/host/host.c -o ${WORK}/host/host ${flags} COMMAND_ERROR_IS_FATAL ANY)
get_filename_component(libraries ${folder} DIRECTORY)
set(ENV{LD_LIBRARY_PATH} ${libraries})
execute_process(COMMAND ${WORK}/host/host COMMAND_ERROR_IS_FATAL ANY)
