// The search for a cheap assignment (costs.h).
#pragma once
#include "compiler/driver/costs.h"

namespace sardonyx::driver {

// Starts from "everything on one device" (on the host what has no option there), once per device that any option names,
// and improves each by moves of single groups and of clusters between devices. The cheapest result wins.
Assignment assign(std::span<const Group> groups, const Costs& costs);

}  // namespace sardonyx::driver
