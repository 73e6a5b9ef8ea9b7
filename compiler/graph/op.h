// The primitive operators: kinds, traits, and the table of what each means (OpDef).
//
// ONNX operators are lowered at import to these; nothing behind the importer knows ONNX. One OpDef says everything:
// type inference, the tensor expression (from which the interpreter, constant folding, symbolic folding of shape
// arithmetic and code generation all follow), an optional decomposition, and a reference for opaque kinds.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "compiler/graph/type.h"
#include "compiler/tensor/compute.h"
#include "runtime/base/tensor.h"

namespace sardonyx::graph {

#define SARDONYX_FOR_EACH_OP(X)                                                                                    \
  X(unary)                                                                                                         \
  X(binary)                                                                                                        \
  X(select)                                                                                                        \
  X(cast)                                                                                                          \
  X(constant) X(iota) X(broadcast) X(reshape) X(transpose) X(slice) X(pad) X(concat) X(gather) X(gather_elements)  \
      X(gather_nd) X(scatter_elements) X(scatter_nd) X(reduce) X(arg_reduce) X(cumulate) X(pool) X(matmul) X(conv) \
          X(conv_transpose) X(softmax) X(layer_norm) X(lrn) X(rnn) X(topk) X(nonzero) X(host_call) X(if_) X(loop)  \
              X(yield) X(dims_tensor) X(bind_dims) X(check) X(reorder) X(copy) X(fused)

enum class Op : uint8_t {
#define X(name) name,
  SARDONYX_FOR_EACH_OP(X)
#undef X
};
inline constexpr int op_count = int(Op::fused) + 1;
std::string_view op_name(Op op);  // "conv", "if", ...
bool op_from_name(std::string_view name, Op* op);

// Traits are bits.
enum Trait : uint32_t {
  Pointwise = 1 << 0,  // out[i] depends on in_k[i] only; operands have the result's dims
  Injective = 1 << 1,  // every output element is one input element (or a constant): slice, transpose, pad, concat ...
  Reduction = 1 << 2,
  Contraction = 1 << 3,
  Window = 1 << 4,  // pool, lrn
  Scan = 1 << 5,
  Opaque = 1 << 6,      // library kernel or host function; has `reference`
  View = 1 << 7,        // reshape: the same bytes when row-major
  Control = 1 << 8,     // if, loop, yield, fused
  SideEffect = 1 << 9,  // bind_dims, check: kept while their symbols are used / always
  Commutative = 1 << 10,
};

class Attributes;
struct Node;

struct OpDef {
  Op op;
  uint32_t traits = 0;
  // Result types from attributes and operand types. Throws Error (InvalidModel for operands that do not fit).
  // Null for kinds whose builder call gives the types (control, host_call).
  std::vector<TensorType> (*infer)(const Attributes& attrs, std::span<const TensorType> operands) = nullptr;
  // The meaning as tensor expressions; logical indices throughout. Null for Opaque and Control kinds.
  std::vector<tensor::Term> (*express)(const Attributes& attrs, std::span<const tensor::Term> operands,
                                       std::span<const TensorType> results, tensor::ProgramBuilder& program) = nullptr;
  // Opaque kinds: evaluates on host tensors; also the run-time host function. Shapes of results may depend on values.
  std::vector<Tensor> (*reference)(const Attributes& attrs, std::span<const Tensor> operands) = nullptr;
};

const OpDef& op_def(Op op);

// Static registration: `static const RegisterOp registration{{.op = Op::softmax, ...}};` at namespace scope in
// compiler/ops/primitive/*.cpp. Writes one slot of a constant-initialised table; no other side effect.
struct RegisterOp {
  explicit RegisterOp(const OpDef& def);
};

}  // namespace sardonyx::graph
