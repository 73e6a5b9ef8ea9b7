// Translates dim expressions of the graph to slots of the program's dim table; equal expressions share a slot.
#pragma once
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "compiler/expr/expr.h"
#include "runtime/program.h"

namespace sardonyx::driver {

class DimTable {
 public:
  explicit DimTable(std::vector<runtime::DimExpr>& slots) : slots_(slots) {}

  // Slot of dim `axis` of graph input `input`. The first slot for a symbol defines it.
  runtime::DimId input(const expr::Expr& dim, int input, int axis);
  // Slot of any expression; unknown symbols become Runtime slots.
  runtime::DimId slot(const expr::Expr& e);
  // Does the expression depend on a Runtime slot?
  bool runtime_dependent(const expr::Expr& e) const;
  // Marks a run-time symbol as bound from here on; true when it was not.
  bool mark_bound(const expr::Expr& symbol);
  // All run-time symbols in the expression have been marked.
  bool all_bound(const expr::Expr& e) const;

 private:
  runtime::DimId push(runtime::DimExpr slot);
  runtime::DimId binary(runtime::DimExpr::Op op, runtime::DimId a, runtime::DimId b, runtime::DimId c = -1);
  runtime::DimId translate(const expr::Expr& e);

  std::vector<runtime::DimExpr>& slots_;
  std::unordered_map<const expr::Variable*, runtime::DimId> symbols_;
  std::unordered_set<const expr::Variable*> runtime_, bound_;
  std::unordered_multimap<uint64_t, std::pair<expr::Expr, runtime::DimId>> known_;
  std::unordered_map<int64_t, runtime::DimId> constants_;
};

}  // namespace sardonyx::driver
