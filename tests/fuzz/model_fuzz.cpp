// libFuzzer target: any bytes through parse, check and import. Nothing but Error may come out.
//
//   cmake -S . -B build-fuzz -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DSARDONYX_BUILD_FUZZ=ON
//         -DSARDONYX_SANITIZE=address,undefined,fuzzer-no-link
//   ninja -C build-fuzz fuzz_model && build-fuzz/tests/fuzz/fuzz_model -max_len=4096 CORPUS
//
// With FUZZ_STANDALONE it is a program that replays the files it is given, for compilers without libFuzzer.
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>

#include "importer/import.h"
#include "runtime/base/status.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sardonyx;
  try {
    auto model = importer::Model::parse(data, size, {});
    if (model->check().status() == Status::Success) graph::verify(*model->import({}));
  } catch (const Error& error) {
    if (error.status() == Status::InternalError) __builtin_trap();
  }
  return 0;
}

#ifdef FUZZ_STANDALONE
int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(file)), {});
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }
  return 0;
}
#endif
