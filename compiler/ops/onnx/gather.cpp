// Gather, GatherElements, GatherND.
#include "compiler/ops/lowering.h"

namespace sardonyx::ops {
namespace {

std::vector<Value*> lower_gather(Lowering& in) { return {in.builder().gather(in[0], in[1], in.attr_int("axis", 0))}; }

std::vector<Value*> lower_gather_elements(Lowering& in) {
  return {in.builder().gather_elements(in[0], in[1], in.attr_int("axis", 0))};
}

std::vector<Value*> lower_gather_nd(Lowering& in) {
  return {in.builder().gather_nd(in[0], in[1], in.attr_int("batch_dims", 0))};
}

const OnnxOp gather{
    {.name = "Gather", .since = {{1, lower_gather}, {11, lower_gather}, {13, lower_gather}}, .inputs = {2, 2}}};
const OnnxOp gather_elements{
    {.name = "GatherElements", .since = {{11, lower_gather_elements}, {13, lower_gather_elements}}, .inputs = {2, 2}}};
const OnnxOp gather_nd{{.name = "GatherND",
                        .since = {{11, lower_gather_nd}, {12, lower_gather_nd}, {13, lower_gather_nd}},
                        .inputs = {2, 2}}};

}  // namespace
}  // namespace sardonyx::ops
