#include "backends/plugin/loader.h"

#include <dlfcn.h>
#include <sys/stat.h>

#include <sstream>

#include "backends/plugin/backend.h"
#include "runtime/base/log.h"
#include "runtime/base/status.h"

namespace sardonyx::plugin {

using backends::Backend;

namespace {

constexpr const char* entry_name = "sardonyx_backend_v1";

const sardonyxBackend* table_of(void* library) {
  auto entry = reinterpret_cast<sardonyxBackendFunction>(dlsym(library, entry_name));
  require(entry != nullptr, Status::BackendUnavailable, "it does not export ", entry_name);
  try {
    return entry();
  } catch (...) {
    fail(Status::BackendUnavailable, entry_name, " threw an exception");
  }
}

// A file that is built anew has another time.
std::string version_of(const std::string& path) {
  struct stat info = {};
  stat(path.c_str(), &info);
  return str(path, ", ", info.st_size, " bytes, ", info.st_mtim.tv_sec, ".", info.st_mtim.tv_nsec);
}

std::unique_ptr<Backend> load(const std::string& path) {
  require(path.front() == '/', Status::BackendUnavailable, "the path is not absolute");
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    fail(Status::BackendUnavailable, why != nullptr ? why : "dlopen fails");
  }
  try {
    return make_backend(table_of(library), version_of(path));
  } catch (...) {
    dlclose(library);
    throw;
  }
}

}  // namespace

std::vector<std::unique_ptr<Backend>> load_plugins(const std::string& paths, const std::vector<const Backend*>& taken) {
  std::vector<std::unique_ptr<Backend>> loaded;
  std::istringstream list(paths);
  for (std::string path; std::getline(list, path, ':');) {
    if (path.empty()) continue;
    try {
      std::unique_ptr<Backend> backend = load(path);
      auto clashes = [&](const Backend& other) { return other.name() == backend->name(); };
      for (const Backend* other : taken)
        require(!clashes(*other), Status::BackendUnavailable, "there is a backend '", backend->name(), "' already");
      for (const auto& other : loaded)
        require(!clashes(*other), Status::BackendUnavailable, "there is a backend '", backend->name(), "' already");
      log(LogLevel::Info, "plug-in ", path, ": backend '", backend->name(), "'");
      loaded.push_back(std::move(backend));
    } catch (const std::exception& error) {
      log(LogLevel::Warning, "plug-in ", path, " is left out: ", error.what());
    }
  }
  return loaded;
}

}  // namespace sardonyx::plugin
