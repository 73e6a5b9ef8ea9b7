# Everything comes from Debian 12 packages; scripts/setup installs what is missing.
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(LLVM 19.1 REQUIRED CONFIG HINTS /usr/lib/llvm-19)
find_package(dnnl REQUIRED CONFIG)
find_package(OpenCL REQUIRED)
find_library(SARDONYX_RE2 NAMES re2 REQUIRED)
find_path(SARDONYX_XXHASH xxhash.h REQUIRED)  # compiled in
# Debian's oneDNN runs on libgomp; we link it to keep it at one thread per worker. Only the runtime file is needed.
find_library(SARDONYX_GOMP NAMES libgomp.so.1 REQUIRED)
# Image libraries are opened when an image is decoded (compiler/ops/image): only tests, which write files, link them.
find_package(PkgConfig REQUIRED)
pkg_check_modules(SARDONYX_IMAGE REQUIRED libpng libturbojpeg libtiff-4 libwebp libopenjp2)
add_library(sardonyx_image_headers INTERFACE)
target_include_directories(sardonyx_image_headers SYSTEM INTERFACE ${SARDONYX_IMAGE_INCLUDE_DIRS})
# Heavy headers are system headers: their warnings are not ours.
add_library(sardonyx_llvm INTERFACE)
target_include_directories(sardonyx_llvm SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS})
target_compile_definitions(sardonyx_llvm INTERFACE ${LLVM_DEFINITIONS_LIST})
# Static: no other LLVM in the process can clash with it, the library needs no package of LLVM at run time, and what it
# does not use costs no memory. Tests, which are many, share Debian's library.
llvm_map_components_to_libnames(SARDONYX_LLVM_STATIC x86codegen x86asmparser x86desc x86info passes orcjit jitlink)
target_link_directories(sardonyx_llvm INTERFACE ${LLVM_LIBRARY_DIRS})
target_link_libraries(sardonyx_llvm INTERFACE
  $<IF:$<BOOL:$<TARGET_PROPERTY:SARDONYX_STATIC_LLVM>>,${SARDONYX_LLVM_STATIC},LLVM-19>)
find_program(SARDONYX_LLD ld.lld REQUIRED HINTS ${LLVM_TOOLS_BINARY_DIR} NO_DEFAULT_PATH)
if(SARDONYX_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
if(SARDONYX_BUILD_BENCH)
  find_package(benchmark REQUIRED)
endif()
