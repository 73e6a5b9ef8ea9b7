#include "compiler/graph/op.h"

#include <array>

namespace sardonyx::graph {

namespace {

constexpr std::array<std::string_view, op_count> make_names() {
  std::array<std::string_view, op_count> names = {
#define X(name) #name,
      SARDONYX_FOR_EACH_OP(X)
#undef X
  };
  for (auto& name : names)
    if (name.back() == '_') name.remove_suffix(1);  // `if_`
  return names;
}
constexpr std::array<std::string_view, op_count> names = make_names();

constexpr std::array<OpDef, op_count> make_table() {
  std::array<OpDef, op_count> table{};
  for (int i = 0; i < op_count; ++i) table[size_t(i)].op = Op(i);
  return table;
}
// Constant-initialised, so registrations of other translation units may run before anything of this one.
constinit std::array<OpDef, op_count> table = make_table();

}  // namespace

std::string_view op_name(Op op) { return names[size_t(op)]; }

bool op_from_name(std::string_view name, Op* op) {
  for (int i = 0; i < op_count; ++i) {
    if (names[size_t(i)] != name) continue;
    *op = Op(i);
    return true;
  }
  return false;
}

const OpDef& op_def(Op op) { return table[size_t(op)]; }

RegisterOp::RegisterOp(const OpDef& def) { table[size_t(def.op)] = def; }

}  // namespace sardonyx::graph
