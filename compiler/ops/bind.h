// Symbols of attributes replaced by their run-time values.
//
// A topk with k = `n` runs as a topk with k = 5 once n is known to be 5: references of opaque primitives (and whoever
// calls them at run time) only ever see attributes whose dim expressions are numbers.
#pragma once
#include <cstdint>
#include <unordered_map>

#include "compiler/graph/attributes.h"

namespace sardonyx::ops {

using SymbolValues = std::unordered_map<const expr::Variable*, int64_t>;

// A copy of `attributes` with every dim expression evaluated. Throws Error(InternalError) for unbound symbols.
graph::AttributesPtr bind_symbols(const graph::Attributes& attributes, const SymbolValues& values);

}  // namespace sardonyx::ops
