// Evaluation of a program's dim table.
//
// A slot is either known (it has a value) or not: a Runtime slot before it is bound, everything that depends on one,
// and a slot whose arithmetic has no result (division by zero, overflow of 64 bits). An unknown slot fails whoever
// needs its value, not the table, so a Select may guard a division and an untaken branch may hold nonsense.
//
//   DimValues dims(program.dims.size());
//   dims.set(0, 3);                                   // Input slot "batch"
//   for (...) evaluate_dim(program.dims[i], i, dims);  // slot 2 = batch * 4  ->  12
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/program.h"

namespace sardonyx::runtime {

struct DimValues {
  DimValues() = default;
  explicit DimValues(size_t count) : value(count, 0), known(count, 0) {}
  void set(DimId id, int64_t v) {
    value[size_t(id)] = v;
    known[size_t(id)] = 1;
  }
  std::vector<int64_t> value;
  std::vector<uint8_t> known;
};

// Number of operand slots (a, b, c) of an op, and its name in listings.
int dim_operand_count(DimExpr::Op op);
const char* dim_op_name(DimExpr::Op op);

// Computes slot `id` from earlier slots. Input and Runtime slots are leaves that others set; they are left alone.
void evaluate_dim(const DimExpr& expr, DimId id, DimValues& dims);

// Why an unknown slot is unknown: "division by zero", "overflow" or "not bound yet", from its first unknown operand.
std::string unknown_dim_reason(const Program& program, const DimValues& dims, DimId id);

// The slot's value; throws Error(UnsupportedShape) with the reason when it is unknown.
int64_t dim_value(const Program& program, const DimValues& dims, DimId id);

// The program's report with the work of groups under these values of its dims. What they leave unknown stays typical.
std::vector<GroupReport> report_under(const Program& program, const DimValues& dims);

}  // namespace sardonyx::runtime
