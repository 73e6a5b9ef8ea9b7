// Finding and loading plug-ins.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "backends/backend.h"

namespace sardonyx::plugin {

// Loads the shared objects of `paths` (absolute, separated by colons) in order. One that is missing, is no plug-in of
// this version, throws, or has the name of a backend in `taken` or before it is left out with a line in the log and
// harms no other. Those loaded stay loaded until the process ends.
std::vector<std::unique_ptr<backends::Backend>> load_plugins(const std::string& paths,
                                                             const std::vector<const backends::Backend*>& taken);

}  // namespace sardonyx::plugin
