// Edges between groups of different layouts or devices: reorder groups and copy nodes.
#pragma once
#include <map>

#include "compiler/driver/offers.h"
#include "compiler/driver/select.h"

namespace sardonyx::driver {

// Makes every operand arrive in the layout and on the device where its reader wants it: groups as chosen, views
// row-major, all else (control flow, dims, graph outputs) row-major on the host. A reorder runs where the value is made
// if that device can, else where it is read, else on the host; a copy stands right behind its producer. Both are shared
// by all readers. Adds the choices of the reorders.
void connect(graph::Graph& graph, std::span<const Place> places, Offers& offers,
             std::map<const graph::Node*, Choice>& choices);

}  // namespace sardonyx::driver
