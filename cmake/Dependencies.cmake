# Everything comes from Debian 12 packages; scripts/setup installs what is missing.
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(LLVM 19.1 REQUIRED CONFIG HINTS /usr/lib/llvm-19)
find_package(dnnl REQUIRED CONFIG)
# Debian's oneDNN runs on libgomp; we link it to keep it at one thread per worker. Only the runtime file is needed.
find_library(SARDONYX_GOMP NAMES libgomp.so.1 REQUIRED)
# Heavy headers are system headers: their warnings are not ours.
add_library(sardonyx_llvm INTERFACE)
target_include_directories(sardonyx_llvm SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS})
target_compile_definitions(sardonyx_llvm INTERFACE ${LLVM_DEFINITIONS_LIST})
target_link_libraries(sardonyx_llvm INTERFACE LLVM-19)
target_link_directories(sardonyx_llvm INTERFACE ${LLVM_LIBRARY_DIRS})
if(SARDONYX_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
if(SARDONYX_BUILD_BENCH)
  find_package(benchmark REQUIRED)
endif()
