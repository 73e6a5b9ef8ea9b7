#include "compiler/ops/image/library.h"

#include <dlfcn.h>

#include "runtime/base/status.h"

namespace sardonyx::ops::image {

Library::Library(const LibraryName& name) : name_(name), handle_(dlopen(name.file, RTLD_NOW | RTLD_LOCAL)) {
  if (handle_ == nullptr) refuse();
}

Symbol Library::operator[](const char* function) const {
  void* address = dlsym(handle_, function);
  if (address == nullptr) refuse();
  return {address};
}

void Library::refuse() const {
  const char* why = dlerror();
  fail(Status::NoSystemResources, "decoding ", name_.format, " images needs ", name_.file, " of Debian's package ",
       name_.package, "; install it (", why != nullptr ? why : "it cannot be opened", ")");
}

}  // namespace sardonyx::ops::image
