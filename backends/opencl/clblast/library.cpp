#include "backends/opencl/clblast/library.h"

#include <dlfcn.h>

#include <optional>

#include "runtime/base/log.h"

namespace sardonyx::opencl::clblast {

namespace {

template <class F>
bool find(void* file, const char* symbol, F& function) {
  function = reinterpret_cast<F>(dlsym(file, symbol));
  return function != nullptr;
}

std::optional<Library> load() {
  void* file = dlopen("libclblast.so.1", RTLD_NOW | RTLD_LOCAL);
  if (file == nullptr) {
    log(LogLevel::Info, "no CLBlast: ", dlerror());
    return std::nullopt;
  }
  Library found;
  if (find(file, "CLBlastSgemm", found.f32.gemm) && find(file, "CLBlastDgemm", found.f64.gemm) &&
      find(file, "CLBlastSgemmStridedBatched", found.f32.gemm_strided_batched) &&
      find(file, "CLBlastDgemmStridedBatched", found.f64.gemm_strided_batched)) {
    return found;
  }
  log(LogLevel::Warning, "CLBlast is not used: ", dlerror());
  return std::nullopt;
}

}  // namespace

const Library* library() {
  static const std::optional<Library> loaded = load();
  return loaded ? &*loaded : nullptr;
}

}  // namespace sardonyx::opencl::clblast
