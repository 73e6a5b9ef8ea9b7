// Values of a program's symbols for one launch, as expr::evaluate wants them.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>

#include "compiler/expr/expr.h"
#include "runtime/base/status.h"

namespace sardonyx::tensor {

using SymbolValues = std::unordered_map<const expr::Variable*, int64_t>;

// `dims`: one per symbol, in their order. Throws Error(InternalError) naming `kernel` when their numbers differ.
inline SymbolValues symbol_values(std::span<const expr::VarPtr> symbols, std::span<const int64_t> dims,
                                  std::string_view kernel) {
  check(dims.size() == symbols.size(), "kernel ", kernel, " got ", dims.size(), " dims, expects ", symbols.size());
  SymbolValues values;
  for (size_t i = 0; i < symbols.size(); ++i) values[symbols[i].get()] = dims[i];
  return values;
}

}  // namespace sardonyx::tensor
