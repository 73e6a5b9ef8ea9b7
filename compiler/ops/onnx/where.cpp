#include "compiler/ops/lowering.h"

namespace sardonyx::ops {
namespace {

std::vector<Value*> lower(Lowering& in) { return {in.builder().select(in[0], in[1], in[2])}; }

const OnnxOp op{{.name = "Where", .since = {{9, lower}, {16, lower}}, .inputs = {3, 3}}};

}  // namespace
}  // namespace sardonyx::ops
