// Typed attributes, one struct per primitive kind, each with a reflected field list: print, parse, hash and equality
// all come from `fields`.
//
//   struct TransposeAttrs : AttributesOf<TransposeAttrs> {
//     Ints perm;
//     template <class V> void fields(V& v) { v("perm", perm); }
//   };
//
// Field types: bool, int64_t, double, std::string, DType, enums with a name table, Ints, std::vector<Expr>, Layout,
// Tensor. Attributes are immutable once attached to a node (AttributesPtr).
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "compiler/graph/op.h"
#include "compiler/graph/type.h"
#include "runtime/base/tensor.h"

namespace sardonyx::graph {

using Ints = std::vector<int64_t>;
using Exprs = std::vector<Expr>;

class FieldVisitor;

class Attributes {
 public:
  virtual ~Attributes() = default;
  virtual std::shared_ptr<Attributes> clone() const = 0;
  virtual void visit_fields(FieldVisitor& visitor) = 0;  // visitors that only read do not modify
};
using AttributesPtr = std::shared_ptr<const Attributes>;

// Enum fields are visited as their index into a null-terminated name table.
class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;
  virtual void operator()(const char* name, bool& value) = 0;
  virtual void operator()(const char* name, int64_t& value) = 0;
  virtual void operator()(const char* name, double& value) = 0;
  virtual void operator()(const char* name, std::string& value) = 0;
  virtual void operator()(const char* name, DType& value) = 0;
  virtual void operator()(const char* name, Ints& value) = 0;
  virtual void operator()(const char* name, Exprs& value) = 0;
  virtual void operator()(const char* name, Layout& value) = 0;
  virtual void operator()(const char* name, Tensor& value) = 0;
  virtual void enumeration(const char* name, int& value, const char* const* names) = 0;
  template <class E>
  void operator()(const char* name, E& value, const char* const* names) {
    int index = int(value);
    enumeration(name, index, names);
    value = E(index);
  }
};

template <class Self>
class AttributesOf : public Attributes {
 public:
  std::shared_ptr<Attributes> clone() const override { return std::make_shared<Self>(static_cast<const Self&>(*this)); }
  void visit_fields(FieldVisitor& visitor) override { static_cast<Self*>(this)->fields(visitor); }
};

std::string print_attributes(const Attributes& attributes);  // "{perm=[0,2,1]}" or ""
bool equal_attributes(const Attributes& a, const Attributes& b);
uint64_t hash_attributes(const Attributes& attributes);

// ---- scalar maps ----
enum class UnaryFunction : int {
  Neg,
  Abs,
  Sign,
  Floor,
  Ceil,
  Round,
  Sqrt,
  Exp,
  Log,
  Sin,
  Cos,
  Tan,
  Asin,
  Acos,
  Atan,
  Sinh,
  Cosh,
  Tanh,
  Asinh,
  Acosh,
  Atanh,
  Erf,
  Sigmoid,
  IsNan,
  IsInf,
  Not /* logical on bool, bitwise on integers */
};
extern const char* const unary_names[];
enum class BinaryFunction : int {
  Add,
  Sub,
  Mul,
  Div /* IEEE; integers truncate, x/0 is a run-time error */,
  Rem /* sign of dividend; fmod on floats */,
  Mod /* sign of divisor, integers */,
  Pow,
  Min,
  Max,
  ShiftLeft,
  ShiftRight,
  And,
  Or,
  Xor,
  Eq,
  Lt,
  Le
};
extern const char* const binary_names[];

struct NoAttrs : AttributesOf<NoAttrs> {
  template <class V>
  void fields(V&) {}
};
struct UnaryAttrs : AttributesOf<UnaryAttrs> {
  UnaryFunction function = UnaryFunction::Neg;
  template <class V>
  void fields(V& v) {
    v("fn", function, unary_names);
  }
};
struct BinaryAttrs : AttributesOf<BinaryAttrs> {
  BinaryFunction function = BinaryFunction::Add;
  template <class V>
  void fields(V& v) {
    v("fn", function, binary_names);
  }
};
struct CastAttrs : AttributesOf<CastAttrs> {
  DType dtype = DType::F32;
  template <class V>
  void fields(V& v) {
    v("dtype", dtype);
  }
};

// ---- data movement ----
struct ConstantAttrs : AttributesOf<ConstantAttrs> {
  Tensor value;
  template <class V>
  void fields(V& v) {
    v("value", value);
  }
};
struct IotaAttrs : AttributesOf<IotaAttrs> {  // out[i...] = i[axis] as dtype
  DType dtype = DType::I64;
  Exprs dims;
  int64_t axis = 0;
  template <class V>
  void fields(V& v) {
    v("dtype", dtype), v("dims", dims), v("axis", axis);
  }
};
struct BroadcastAttrs : AttributesOf<BroadcastAttrs> {  // numpy rules, operand right-aligned to dims
  Exprs dims;
  template <class V>
  void fields(V& v) {
    v("dims", dims);
  }
};
struct ReshapeAttrs : AttributesOf<ReshapeAttrs> {
  Exprs dims;
  template <class V>
  void fields(V& v) {
    v("dims", dims);
  }
};
struct TransposeAttrs : AttributesOf<TransposeAttrs> {  // out dim i is in dim perm[i]
  Ints perm;
  template <class V>
  void fields(V& v) {
    v("perm", perm);
  }
};
struct SliceAttrs : AttributesOf<SliceAttrs> {  // out[i] = in[starts + i * steps], dims are the result's; in bounds
  Exprs starts, dims;
  Ints steps;  // non-zero, may be negative
  template <class V>
  void fields(V& v) {
    v("starts", starts), v("dims", dims), v("steps", steps);
  }
};
enum class PadMode : int { Constant, Edge, Reflect, Wrap };
extern const char* const pad_mode_names[];
struct PadAttrs : AttributesOf<PadAttrs> {  // operands: data, fill value (scalar; ignored unless Constant); >= 0
  Exprs before, after;
  PadMode mode = PadMode::Constant;
  template <class V>
  void fields(V& v) {
    v("before", before), v("after", after), v("mode", mode, pad_mode_names);
  }
};
struct AxisAttrs : AttributesOf<AxisAttrs> {  // concat, gather, gather_elements
  int64_t axis = 0;
  template <class V>
  void fields(V& v) {
    v("axis", axis);
  }
};
struct GatherNdAttrs : AttributesOf<GatherNdAttrs> {
  int64_t batch_dims = 0;
  template <class V>
  void fields(V& v) {
    v("batch_dims", batch_dims);
  }
};
enum class ScatterReduce : int { None, Add, Mul, Min, Max };
extern const char* const scatter_reduce_names[];
struct ScatterAttrs
    : AttributesOf<ScatterAttrs> {  // scatter_elements (axis) and scatter_nd; operands data, indices, updates
  int64_t axis = 0;
  ScatterReduce reduction = ScatterReduce::None;
  template <class V>
  void fields(V& v) {
    v("axis", axis), v("reduction", reduction, scatter_reduce_names);
  }
};

// ---- reductions and windows ----
enum class ReduceFunction : int { Sum, Product, Max, Min };
extern const char* const reduce_names[];
struct ReduceAttrs : AttributesOf<ReduceAttrs> {  // the axes disappear; sorted, non-negative
  ReduceFunction function = ReduceFunction::Sum;
  Ints axes;
  template <class V>
  void fields(V& v) {
    v("fn", function, reduce_names), v("axes", axes);
  }
};
struct ArgReduceAttrs : AttributesOf<ArgReduceAttrs> {  // I64 index; the axis disappears
  bool maximum = true, last = false;
  int64_t axis = 0;
  template <class V>
  void fields(V& v) {
    v("max", maximum), v("last", last), v("axis", axis);
  }
};
struct CumulateAttrs : AttributesOf<CumulateAttrs> {
  ReduceFunction function = ReduceFunction::Sum;
  int64_t axis = 0;
  bool exclusive = false, reverse = false;
  template <class V>
  void fields(V& v) {
    v("fn", function, reduce_names), v("axis", axis), v("exclusive", exclusive), v("reverse", reverse);
  }
};
enum class PoolFunction : int { Max, Average, Sum, ArgMax /* I64 flat index of the maximum, row-major */ };
extern const char* const pool_names[];
struct PoolAttrs : AttributesOf<PoolAttrs> {  // operand [N, C, spatial...]; pads [begin..., end...]
  PoolFunction function = PoolFunction::Max;
  Ints kernel, strides, dilations;
  Exprs pads;
  bool include_pad = false;   // Average: divide by the kernel size instead of the covered count
  Exprs out_dims;             // spatial output dims (ceil mode and auto_pad are resolved by the importer)
  bool column_major = false;  // ArgMax only
  template <class V>
  void fields(V& v) {
    v("fn", function, pool_names), v("kernel", kernel), v("strides", strides), v("dilations", dilations),
        v("pads", pads), v("include_pad", include_pad), v("out_dims", out_dims), v("column_major", column_major);
  }
};

// ---- contractions ----
struct MatmulAttrs : AttributesOf<MatmulAttrs> {  // [..., M, K] x [..., K, N]; batch dims equal or broadcast (numpy)
  bool transpose_a = false, transpose_b = false;  // of the last two dims
  DType dtype = DType::F32;                       // of accumulation and result
  template <class V>
  void fields(V& v) {
    v("ta", transpose_a), v("tb", transpose_b), v("dtype", dtype);
  }
};
struct ConvAttrs : AttributesOf<ConvAttrs> {  // operands x [N, C, spatial...], w [M, C/groups, kernel...]
  Ints strides, dilations;
  Exprs pads;  // [begin..., end...]
  int64_t groups = 1;
  DType dtype = DType::F32;
  template <class V>
  void fields(V& v) {
    v("strides", strides), v("dilations", dilations), v("pads", pads), v("groups", groups), v("dtype", dtype);
  }
};
struct ConvTransposeAttrs : AttributesOf<ConvTransposeAttrs> {  // w [C, M/groups, kernel...]
  Ints strides, dilations;
  Exprs pads, out_dims;  // out_dims: spatial
  int64_t groups = 1;
  template <class V>
  void fields(V& v) {
    v("strides", strides), v("dilations", dilations), v("pads", pads), v("out_dims", out_dims), v("groups", groups);
  }
};

// ---- composites (decomposed for targets that do not want them) ----
struct SoftmaxAttrs : AttributesOf<SoftmaxAttrs> {
  int64_t axis = -1;
  bool log = false;
  template <class V>
  void fields(V& v) {
    v("axis", axis), v("log", log);
  }
};
struct LayerNormAttrs
    : AttributesOf<LayerNormAttrs> {  // operands x, scale, bias (dims [axis, rank)); normalises [axis, rank)
  int64_t axis = -1;
  double epsilon = 1e-5;
  template <class V>
  void fields(V& v) {
    v("axis", axis), v("epsilon", epsilon);
  }
};
struct LrnAttrs : AttributesOf<LrnAttrs> {
  double alpha = 1e-4, beta = 0.75, bias = 1;
  int64_t size = 1;
  template <class V>
  void fields(V& v) {
    v("alpha", alpha), v("beta", beta), v("bias", bias), v("size", size);
  }
};
enum class RnnKind : int { Lstm, Gru, Rnn };
extern const char* const rnn_names[];
// The recurrent part of a layer, T steps of B samples in D directions. Operands, all present:
//   0 projected input [T,B,D*G*H]: X times W of all steps, plus every bias that is merely added
//   1 R [D,G*H,H], gates in ONNX's order
//   2 lengths I32 [B]
//   3 initial_h [D,B,H]
//   4 LSTM: initial_c [D,B,H]; GRU with linear_before_reset: the recurrent bias [D,H] of its candidate
//   5 LSTM, optional: peepholes [D,3*H]
// Results: Y [T,D,B,H], Y_h [D,B,H], LSTM: Y_c [D,B,H].
struct RnnAttrs : AttributesOf<RnnAttrs> {
  RnnKind kind = RnnKind::Lstm;
  int64_t hidden = 0;
  bool reverse = false, bidirectional = false;
  std::string activations;    // per direction, comma-separated ONNX names: "Sigmoid,Tanh,Tanh"
  std::string alphas, betas;  // comma-separated numbers, one per activation ("" = default)
  double clip = 0;            // 0: none
  bool linear_before_reset = false, input_forget = false;
  template <class V>
  void fields(V& v) {
    v("kind", kind, rnn_names), v("hidden", hidden), v("reverse", reverse), v("bidirectional", bidirectional),
        v("activations", activations), v("alphas", alphas), v("betas", betas), v("clip", clip),
        v("linear_before_reset", linear_before_reset), v("input_forget", input_forget);
  }
  int64_t gates() const { return kind == RnnKind::Lstm ? 4 : kind == RnnKind::Gru ? 3 : 1; }
  int64_t directions() const { return bidirectional ? 2 : 1; }
  // Dims of all operands that there may be.
  std::vector<std::vector<Expr>> operand_dims(const Expr& time, const Expr& batch) const;
};

// ---- selection and host operators ----
struct TopkAttrs : AttributesOf<TopkAttrs> {  // data and, unless k is static, k as I64 [1]; gives values, I64 indices
  int64_t axis = -1;
  bool largest = true, sorted = true;
  Exprs k;  // one element
  template <class V>
  void fields(V& v) {
    v("axis", axis), v("largest", largest), v("sorted", sorted), v("k", k);
  }
};
struct HostCallAttrs : AttributesOf<HostCallAttrs> {  // a function of the host-function table, with literal parameters
  std::string name, parameters;
  template <class V>
  void fields(V& v) {
    v("name", name), v("parameters", parameters);
  }
};

// ---- control, shape, layout ----
// if_: operand condition; regions then, else (no parameters); results as yielded.
// loop: operands trip count (I64 scalar), condition (bool scalar), carried...; region parameters iteration, condition,
//       carried...; yields condition, carried..., scans...; results carried..., stacked scans.
struct LoopAttrs : AttributesOf<LoopAttrs> {
  int64_t carried = 0;
  bool has_trip_count = true, has_condition = true;  // absent ones are constants of no meaning
  template <class V>
  void fields(V& v) {
    v("carried", carried), v("has_trip_count", has_trip_count), v("has_condition", has_condition);
  }
};
struct DimsTensorAttrs : AttributesOf<DimsTensorAttrs> {  // no operands: an integer tensor made of dim expressions
  DType dtype = DType::I64;
  Exprs values;
  Ints dims;
  template <class V>
  void fields(V& v) {
    v("dtype", dtype), v("values", values), v("dims", dims);
  }
};
struct BindDimsAttrs : AttributesOf<BindDimsAttrs> {  // operand I64 [k]: its elements become the run-time symbols
  Exprs symbols;                                      // k distinct Var expressions
  template <class V>
  void fields(V& v) {
    v("symbols", symbols);
  }
};
struct CheckAttrs : AttributesOf<CheckAttrs> {  // the run fails with `status` and `text` unless condition holds
  Exprs condition;                              // one Bool or I64 expression over symbols, non-zero is true
  int64_t status = 0;
  std::string text;
  template <class V>
  void fields(V& v) {
    v("condition", condition), v("status", status), v("text", text);
  }
};
struct ReorderAttrs : AttributesOf<ReorderAttrs> {
  Layout layout;
  template <class V>
  void fields(V& v) {
    v("layout", layout);
  }
};
struct CopyAttrs : AttributesOf<CopyAttrs> {  // the same tensor in the memory of another device
  int64_t device = 0;                         // position among the devices that the graph is compiled for
  template <class V>
  void fields(V& v) {
    v("device", device);
  }
};
struct FusedAttrs : AttributesOf<FusedAttrs> {  // region parameters = operands, yields = results
  std::string name;
  template <class V>
  void fields(V& v) {
    v("name", name);
  }
};

// A default-constructed attribute struct for a kind (for parsing).
std::shared_ptr<Attributes> make_attributes(Op op);

}  // namespace sardonyx::graph
