// A Backend over the C table of a plug-in (onnx/sardonyx_backend.h). What the plug-in answers is checked before use.
#pragma once
#include <memory>

#include "backends/backend.h"
#include "onnx/sardonyx_backend.h"

namespace sardonyx::plugin {

// `table` and the code behind it stay for as long as the backend and all that it made. Throws Error(BackendUnavailable)
// saying why when the table cannot be used: version, size, missing entries, name. `driver` tells one version of the
// code from another (DeviceInfo::driver).
std::unique_ptr<backends::Backend> make_backend(const sardonyxBackend* table, std::string driver = "");

}  // namespace sardonyx::plugin
