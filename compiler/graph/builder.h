// Builder: creates primitives with inferred types, the API that ONNX operators are lowered with.
//
// Every call infers the result type with symbolic dims, folds what is trivial (constants of at most 64 elements or 1
// KiB, identity reshapes, no-op casts ...) and carries symbolic contents of small integer tensors. Axes may be
// negative. Operands that do not fit throw Error(InvalidModel) naming shapes. Calls insert at the insertion point.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "runtime/base/status.h"

namespace sardonyx::graph {

class Builder {
 public:
  explicit Builder(Graph& graph) : graph_(graph), region_(&graph.body()) {}
  Graph& graph() { return graph_; }
  Region& region() { return *region_; }
  // Subsequent nodes go before `node` / at the end of `region`.
  void insert_before(Node* node);
  void insert_at_end(Region& region);
  // Subsequent nodes carry these provenance names.
  void set_sources(std::vector<std::string> sources) { sources_ = std::move(sources); }

  // The general form: attributes decide, types are inferred.
  Node* create(Op op, AttributesPtr attributes, std::vector<Value*> operands);

  // ---- scalar maps. binary and select broadcast operands numpy-style first. ----
  Value* unary(UnaryFunction function, Value* x);
  Value* binary(BinaryFunction function, Value* a, Value* b);
  Value* select(Value* condition, Value* then_value, Value* else_value);
  Value* cast(Value* x, DType dtype);
  Value* add(Value* a, Value* b) { return binary(BinaryFunction::Add, a, b); }
  Value* sub(Value* a, Value* b) { return binary(BinaryFunction::Sub, a, b); }
  Value* mul(Value* a, Value* b) { return binary(BinaryFunction::Mul, a, b); }
  Value* div(Value* a, Value* b) { return binary(BinaryFunction::Div, a, b); }
  Value* maximum(Value* a, Value* b) { return binary(BinaryFunction::Max, a, b); }
  Value* minimum(Value* a, Value* b) { return binary(BinaryFunction::Min, a, b); }
  Value* less(Value* a, Value* b) { return binary(BinaryFunction::Lt, a, b); }
  Value* less_equal(Value* a, Value* b) { return binary(BinaryFunction::Le, a, b); }
  Value* equal(Value* a, Value* b) { return binary(BinaryFunction::Eq, a, b); }
  Value* logical_not(Value* a) { return unary(UnaryFunction::Not, a); }
  Value* neg(Value* a) { return unary(UnaryFunction::Neg, a); }
  Value* exp(Value* a) { return unary(UnaryFunction::Exp, a); }
  Value* sqrt(Value* a) { return unary(UnaryFunction::Sqrt, a); }

  // ---- constants ----
  Value* constant(Tensor value);
  Value* scalar(DType dtype, double value);  // rank 0
  Value* scalar_like(Value* x, double value) { return scalar(x->type.dtype, value); }
  Value* ints(const std::vector<int64_t>& values);  // I64 [k]
  // An integer tensor of dim expressions: constant when all are static. dims {} gives a scalar.
  Value* dims_tensor(std::vector<Expr> values, std::vector<int64_t> dims, DType dtype = DType::I64);
  Value* shape_of(Value* x);  // I64 [rank]
  Value* iota(DType dtype, std::vector<Expr> dims, int64_t axis);
  // A tensor of `dims` filled with scalar `value`.
  Value* full(Value* value, std::vector<Expr> dims) { return broadcast(value, std::move(dims)); }

  // ---- data movement ----
  Value* broadcast(Value* x, std::vector<Expr> dims);  // to exactly dims
  // numpy broadcast of two shapes. Symbols that meet another dim broadcast at run time; dims that are computed and
  // might differ become run-time equalities.
  std::vector<Expr> broadcast_dims(const std::vector<Expr>& a, const std::vector<Expr>& b);
  // The dim that two dims make; `what` names their shapes.
  Expr broadcast_dim(const Expr& a, const Expr& b, const std::string& what);
  Value* reshape(Value* x, std::vector<Expr> dims);  // element counts must agree (checked when provable, else equality)
  Value* squeeze(Value* x, std::vector<int64_t> axes);
  Value* unsqueeze(Value* x, std::vector<int64_t> axes);  // axes of the result
  Value* transpose(Value* x, std::vector<int64_t> perm);
  Value* slice(Value* x, std::vector<Expr> starts, std::vector<Expr> dims, std::vector<int64_t> steps);
  // [start, start + extent) of one axis.
  Value* slice_axis(Value* x, int64_t axis, Expr start, Expr extent);
  Value* pad(Value* x, std::vector<Expr> before, std::vector<Expr> after, PadMode mode, Value* fill = nullptr);
  Value* concat(std::vector<Value*> xs, int64_t axis);
  Value* gather(Value* x, Value* indices, int64_t axis);  // numpy take; negative indices count from the end
  Value* gather_elements(Value* x, Value* indices, int64_t axis);
  Value* gather_nd(Value* x, Value* indices, int64_t batch_dims);
  Value* scatter_elements(Value* x, Value* indices, Value* updates, int64_t axis, ScatterReduce reduction);
  Value* scatter_nd(Value* x, Value* indices, Value* updates, ScatterReduce reduction);

  // ---- reductions, windows, contractions, composites ----
  Value* reduce(ReduceFunction function, Value* x, std::vector<int64_t> axes, bool keep_dims);
  Value* mean(Value* x, std::vector<int64_t> axes, bool keep_dims);
  Value* arg_reduce(Value* x, bool maximum, bool last, int64_t axis, bool keep_dims);
  Value* cumulate(ReduceFunction function, Value* x, int64_t axis, bool exclusive, bool reverse);
  Value* pool(Value* x, PoolAttrs attrs);
  Value* matmul(Value* a, Value* b, bool transpose_a = false, bool transpose_b = false, DType dtype = DType::None);
  Value* conv(Value* x, Value* w, ConvAttrs attrs);
  Value* conv_transpose(Value* x, Value* w, ConvTransposeAttrs attrs);
  Value* softmax(Value* x, int64_t axis, bool log = false);
  Value* layer_norm(Value* x, Value* scale, Value* bias, int64_t axis, double epsilon);
  Value* lrn(Value* x, LrnAttrs attrs);
  std::vector<Value*> rnn(std::vector<Value*> operands, RnnAttrs attrs);
  std::vector<Value*> topk(Value* x, Expr k, int64_t axis, bool largest, bool sorted);
  Value* nonzero(Value* x);  // I64 [rank, fresh symbol]
  std::vector<Value*> host_call(const std::string& name, const std::string& parameters, std::vector<Value*> operands,
                                std::vector<TensorType> result_types);

  // The same for functions that know strings and containers (operands and results may be of DType::String and Object).
  // host_call refuses those.
  std::vector<Value*> value_call(const std::string& name, const std::string& parameters, std::vector<Value*> operands,
                                 std::vector<TensorType> result_types);
  // Dense ranks of the texts of all tensors together in the order of their bytes, I64, each of its tensor's shape: how
  // texts are compared.
  std::vector<Value*> text_ranks(std::vector<Value*> texts);

  // ---- run-time dims ----
  // The elements of an integer tensor [k] (or scalar, k = 1) as expressions: its symbolic contents when known, else
  // fresh run-time symbols bound by a `bind_dims` node. `facts` bound the fresh symbols.
  std::vector<Expr> values_of(Value* ints, expr::Facts facts = {});
  // Known contents (constants included) or nothing.
  std::optional<std::vector<Expr>> contents_of(Value* ints);
  // Static integer contents or nothing.
  std::optional<std::vector<int64_t>> static_ints(Value* ints);
  void check(Expr condition, Status status, std::string text);
  // Says that two dims are equal and returns the more specific one (a constant, else the shorter). Provably different:
  // InvalidModel naming `what`. Not provably equal: an Equality of the graph when inputs bind all symbols, else a
  // `check` node here.
  Expr require_equal(const Expr& a, const Expr& b, const std::string& what);

  // ---- control flow: `body` builds into the new region and returns its results ----
  std::vector<Value*> if_then_else(Value* condition, const std::function<std::vector<Value*>(Builder&)>& then_body,
                                   const std::function<std::vector<Value*>(Builder&)>& else_body);
  // trip_count / condition may be null. body(iteration I64, condition bool, carried) returns condition, carried...,
  // scans...
  std::vector<Value*> loop(Value* trip_count, Value* condition, std::vector<Value*> carried,
                           const std::function<std::vector<Value*>(Builder&, Value* iteration, Value* condition,
                                                                   std::vector<Value*> carried)>& body);

  static std::string shape_text(const std::vector<Expr>& dims);  // "[N,64]", for messages
  static std::vector<Value*> results_of(Node* node);

 private:
  // Nodes that move strings: the same node moves the numbers of the elements, and the texts follow.
  Node* create_on_texts(Op op, AttributesPtr attributes, std::vector<Value*> operands);
  Value* cast_text(Value* x, DType dtype);
  // A node of given types, at the insertion point, without folding.
  Node* add_node(Op op, AttributesPtr attributes, std::vector<Value*> operands, std::vector<TensorType> types);
  // Adds the equality to the graph or, where inputs don't bind all symbols, a check here.
  void equate(const Expr& a, const Expr& b, const std::string& text);
  // x with those symbols among its batch dims (all but the last two) that are not the batch dims of the product.
  Value* broadcast_batch(Value* x, const std::vector<Expr>& batch);
  // broadcast() of dims that broadcast_dims() has already compared.
  Value* broadcast_agreed(Value* x, std::vector<Expr> dims);
  static int64_t normal_axis(int64_t axis, int rank, const char* what);
  static std::vector<int64_t> normal_axes(std::vector<int64_t> axes, int rank, const char* what);  // sorted

  Graph& graph_;
  Region* region_;
  Node* before_ = nullptr;
  std::vector<std::string> sources_;
};

}  // namespace sardonyx::graph
