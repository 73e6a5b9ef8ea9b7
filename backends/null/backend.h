// A backend to copy: no device, no candidate, and a device half that does its work at once in the host's memory.
#pragma once
#include "backends/backend.h"

namespace sardonyx::null {

const backends::Backend& backend();

}  // namespace sardonyx::null
