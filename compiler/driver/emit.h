// Emission: graph + choices + compiled groups -> flat program.
#pragma once
#include <map>
#include <memory>
#include <string_view>

#include "compiler/driver/in_place.h"
#include "compiler/driver/select.h"
#include "runtime/program.h"

namespace sardonyx::driver {

// A group's code with the substitution from the representative's symbols to this group's.
struct Emittable {
  const backends::CompiledGroup* code = nullptr;
  std::string_view form;  // of its packed constants: equal ones come of equal packing functions
  std::unordered_map<const expr::Variable*, expr::Expr> symbols;
  std::map<int, Tensor> packed;  // results of CompiledGroup::pack on this group's constants
};

// `groups` has one entry per fused node that is no concatenation in place, `choices` says where values live. The result
// is verified.
std::shared_ptr<const runtime::Program> emit(const graph::Graph& graph,
                                             const std::map<const graph::Node*, Emittable>& groups,
                                             const std::map<const graph::Node*, Choice>& choices,
                                             const InPlaceConcats& in_place, std::span<const Place> places);

}  // namespace sardonyx::driver
